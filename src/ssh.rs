//! SSH: connects to a host, knows its key, ships the agent, opens channels. The only place that names russh.
