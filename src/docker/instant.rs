//! Times as Docker writes them and as names hold them, in seconds since 1970 by the host's clock.

const DAY: i64 = 86_400;

/// `20261121T053234Z`: sorts as text, fits into names.
pub fn compact(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Reads what [`compact`] writes.
pub fn read_compact(text: &str) -> Option<i64> {
    let digits =
        text.strip_suffix('Z')?.split_once('T').filter(|(day, time)| day.len() == 8 && time.len() == 6)?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
    let (day, time) = (number(digits.0)?, number(digits.1)?);
    let days = days(day / 10_000, day / 100 % 100, day % 100);
    Some(days * DAY + time / 10_000 * 3600 + time / 100 % 100 * 60 + time % 100)
}

/// Reads RFC 3339 as Docker writes it: `2026-11-21T05:32:34.123456789Z`, or with an offset. The time that Docker writes
/// where there is none, in the year 1, is `None`.
pub fn read(text: &str) -> Option<i64> {
    let (day, time) = text.split_once('T')?;
    let compact_day: String = day.split('-').collect();
    let clock: String = time.get(..8)?.split(':').collect();
    let at = read_compact(&format!("{compact_day}T{clock}Z"))?;
    let zone = time.get(8..)?.trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    Some(at - offset(zone)?).filter(|at| *at > 0)
}

/// Seconds east of Greenwich: `Z`, `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days since 1970 of a date of the Gregorian calendar, by counting from March so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 719_469
}

/// The date of a day since 1970.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, year) = (of_year - (153 * month + 2) / 5 + 1, year + era * 400);
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_795_239_154, "20261121T053234Z"),
            (4_107_542_399, "21000228T235959Z"),
        ] {
            assert_eq!(compact(seconds), text);
            assert_eq!(read_compact(text), Some(seconds));
        }
        for text in ["20261121T053234", "2026112T053234Z", "x", "20261121T05323xZ", ""] {
            assert_eq!(read_compact(text), None, "{text}");
        }
    }

    #[test]
    fn docker_s_times_are_read() {
        let at = Some(1_795_239_154);
        assert_eq!(read("2026-11-21T05:32:34.123456789Z"), at);
        assert_eq!(read("2026-11-21T05:32:34Z"), at);
        assert_eq!(read("2026-11-21T07:32:34.5+02:00"), at);
        assert_eq!(read("0001-01-01T00:00:00Z"), None);
        assert_eq!(read("ö"), None);
    }
}
