//! Archives as people make them, and as attackers do.
