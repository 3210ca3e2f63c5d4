//! Dates and lengths of time, as Python's `datetime` and `timedelta` have them; read and written with `strftime`'s letters.

use super::fault::{Fault, Result};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970 on a clock without a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i128);

/// Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub i128);

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment in its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// 1 and later.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999999.
    pub micro: u32,
}

impl Moment {
    /// What the clock shows, in UTC.
    pub fn now() -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(since.as_micros() as i128)
    }

    /// From seconds since 1970.
    pub fn of_seconds(seconds: f64) -> Moment {
        Moment((seconds * SECOND as f64) as i128)
    }

    /// Whether it is in the years 1 to 9999.
    pub fn is_in_calendar(self) -> bool {
        let year = |year| Moment::of(Parts { year, month: 1, day: 1, ..Parts::default() });
        (year(1).0..year(10_000).0).contains(&self.0)
    }

    /// From its parts. Howard Hinnant's `days_from_civil`.
    pub fn of(parts: Parts) -> Moment {
        let year = parts.year - i64::from(parts.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(parts.month);
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(parts.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = i128::from(era * 146_097 + day_of_era - 719_468);
        let seconds = i128::from(parts.hour * 3600 + parts.minute * 60 + parts.second);
        Moment(days * DAY + seconds * SECOND + i128::from(parts.micro))
    }

    /// Its parts. Howard Hinnant's `civil_from_days`.
    pub fn parts(self) -> Parts {
        let (days, rest) = (self.0.div_euclid(DAY) as i64 + 719_468, self.0.rem_euclid(DAY));
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
        let seconds = (rest / SECOND) as u32;
        Parts {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: (day_of_year - (153 * shifted + 2) / 5 + 1) as u32,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micro: (rest % SECOND) as u32,
        }
    }

    /// 0 is Monday.
    pub fn weekday(self) -> u32 {
        (self.0.div_euclid(DAY) + 3).rem_euclid(7) as u32
    }

    /// 1 to 366.
    pub fn day_of_year(self) -> u32 {
        let first = Moment::of(Parts { year: self.parts().year, month: 1, day: 1, ..Parts::default() });
        ((self.0 - first.0).div_euclid(DAY) + 1) as u32
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// As ISO 8601 has it: the year of the week and its number.
    pub fn iso_week(self) -> (i64, u32) {
        let thursday = Moment(self.0 + (3 - i128::from(self.weekday())) * DAY);
        (thursday.parts().year, (thursday.day_of_year() - 1) / 7 + 1)
    }

    /// Written with the letters of `strftime`.
    pub fn format(self, pattern: &str) -> String {
        let mut out = String::new();
        let mut letters = pattern.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            let plain = letters.next_if_eq(&'-').is_some();
            match letters.next() {
                Some(letter) => {
                    let text = self.letter(letter).unwrap_or_else(|| format!("%{letter}"));
                    let trimmed = text.trim_start_matches('0');
                    out.push_str(if plain && !trimmed.is_empty() { trimmed } else { &text });
                }
                None => out.push('%'),
            }
        }
        out
    }

    fn letter(self, letter: char) -> Option<String> {
        let parts = self.parts();
        let (month, weekday) = (MONTHS[parts.month as usize - 1], DAYS[self.weekday() as usize]);
        let hour12 = if parts.hour.is_multiple_of(12) { 12 } else { parts.hour % 12 };
        let sunday_week = (self.day_of_year() + 6 - (self.weekday() + 1) % 7) / 7;
        let monday_week = (self.day_of_year() + 6 - self.weekday()) / 7;
        Some(match letter {
            'Y' => parts.year.to_string(),
            'C' => format!("{:02}", parts.year / 100),
            'y' => format!("{:02}", parts.year.rem_euclid(100)),
            'm' => format!("{:02}", parts.month),
            'd' => format!("{:02}", parts.day),
            'e' => format!("{:2}", parts.day),
            'H' => format!("{:02}", parts.hour),
            'I' => format!("{hour12:02}"),
            'k' => format!("{:2}", parts.hour),
            'l' => format!("{hour12:2}"),
            'M' => format!("{:02}", parts.minute),
            'S' => format!("{:02}", parts.second),
            'f' => format!("{:06}", parts.micro),
            'j' => format!("{:03}", self.day_of_year()),
            'p' => if parts.hour < 12 { "AM" } else { "PM" }.to_string(),
            'P' => if parts.hour < 12 { "am" } else { "pm" }.to_string(),
            'A' => weekday.to_string(),
            'a' => weekday[..3].to_string(),
            'B' => month.to_string(),
            'b' | 'h' => month[..3].to_string(),
            'u' => (self.weekday() + 1).to_string(),
            'w' => ((self.weekday() + 1) % 7).to_string(),
            'U' => format!("{sunday_week:02}"),
            'W' => format!("{monday_week:02}"),
            'V' => format!("{:02}", self.iso_week().1),
            'G' => self.iso_week().0.to_string(),
            's' => self.0.div_euclid(SECOND).to_string(),
            'z' => "+0000".to_string(),
            'Z' => "UTC".to_string(),
            'F' => self.format("%Y-%m-%d"),
            'T' => self.format("%H:%M:%S"),
            'R' => self.format("%H:%M"),
            'r' => self.format("%I:%M:%S %p"),
            'D' | 'x' => self.format("%m/%d/%y"),
            'X' => self.format("%H:%M:%S"),
            'c' => self.format("%a %b %e %H:%M:%S %Y"),
            'n' => "\n".to_string(),
            't' => "\t".to_string(),
            '%' => "%".to_string(),
            _ => return None,
        })
    }

    /// Reads text that was written with the letters of `strftime`.
    pub fn parse(text: &str, pattern: &str) -> Result<Moment> {
        let mut reader = Reader {
            rest: text,
            parts: Parts { year: 1900, month: 1, day: 1, ..Parts::default() },
            afternoon: None,
        };
        let fits = reader.read(pattern) && reader.rest.is_empty() && reader.is_date();
        if !fits {
            return Err(Fault::new(format!("`{text}` is no date of the form `{pattern}`")));
        }
        if let Some(afternoon) = reader.afternoon {
            reader.parts.hour = reader.parts.hour % 12 + if afternoon { 12 } else { 0 };
        }
        Ok(Moment::of(reader.parts))
    }
}

struct Reader<'a> {
    rest: &'a str,
    parts: Parts,
    afternoon: Option<bool>,
}

impl Reader<'_> {
    fn read(&mut self, pattern: &str) -> bool {
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            let read = match letter {
                '%' => letters.next().is_some_and(|letter| self.letter(letter).is_some()),
                letter if letter.is_whitespace() => {
                    self.rest = self.rest.trim_start();
                    true
                }
                letter => self.rest.strip_prefix(letter).map(|rest| self.rest = rest).is_some(),
            };
            if !read {
                return false;
            }
        }
        true
    }

    fn letter(&mut self, letter: char) -> Option<()> {
        match letter {
            'Y' => self.parts.year = i64::from(self.number(4)?),
            'y' => {
                let year = i64::from(self.number(2)?);
                self.parts.year = year + if year < 69 { 2000 } else { 1900 };
            }
            'm' => self.parts.month = self.number(2)?,
            'd' | 'e' => self.parts.day = self.number(2)?,
            'H' | 'I' | 'k' | 'l' => self.parts.hour = self.number(2)?,
            'M' => self.parts.minute = self.number(2)?,
            'S' => self.parts.second = self.number(2)?,
            'f' => {
                let digits = self.rest.chars().take_while(char::is_ascii_digit).take(6).count();
                let value = self.number(6)?;
                self.parts.micro = value * 10u32.pow(6 - digits as u32);
            }
            'j' => {
                let day = self.number(3)?;
                let first = Moment::of(Parts { month: 1, day: 1, ..self.parts });
                let parts = Moment(first.0 + (i128::from(day) - 1) * DAY).parts();
                (self.parts.month, self.parts.day) = (parts.month, parts.day);
            }
            'p' => self.afternoon = Some(self.word(&["AM", "PM"])? == 1),
            'A' => drop(self.word(&DAYS)?),
            'a' => drop(self.word(&DAYS.map(|day| &day[..3]))?),
            'B' => self.parts.month = self.word(&MONTHS)? as u32 + 1,
            'b' | 'h' => self.parts.month = self.word(&MONTHS.map(|month| &month[..3]))? as u32 + 1,
            'z' => self.zone()?,
            'Z' => self.rest = ["UTC", "GMT"].iter().find_map(|zone| self.rest.strip_prefix(zone))?,
            'F' => return self.read("%Y-%m-%d").then_some(()),
            'T' => return self.read("%H:%M:%S").then_some(()),
            '%' => self.rest = self.rest.strip_prefix('%')?,
            _ => return None,
        }
        Some(())
    }

    /// The zone is read over: a date without one stays what the clock shows there.
    fn zone(&mut self) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(());
        }
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        self.number(2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        self.number(2).map(drop)
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let length = self.rest.chars().take(digits).take_while(char::is_ascii_digit).count();
        let number = self.rest[..length].parse().ok()?;
        self.rest = &self.rest[length..];
        Some(number)
    }

    fn word(&mut self, words: &[&str]) -> Option<usize> {
        let starts =
            |word: &&str| self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let at = words.iter().position(starts)?;
        self.rest = &self.rest[words[at].len()..];
        Some(at)
    }

    fn is_date(&self) -> bool {
        let Parts { month, day, hour, minute, second, .. } = self.parts;
        let sound =
            (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 62;
        sound && Moment::of(self.parts).parts().day == day
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.format("%Y-%m-%d %H:%M:%S"))?;
        match self.parts().micro {
            0 => Ok(()),
            micro => write!(out, ".{micro:06}"),
        }
    }
}

impl Length {
    /// Whole days.
    pub fn days(self) -> i128 {
        self.0.div_euclid(DAY)
    }

    /// The seconds beside the days.
    pub fn rest_seconds(self) -> i128 {
        self.0.rem_euclid(DAY) / SECOND
    }

    /// The microseconds beside the seconds.
    pub fn rest_micros(self) -> i128 {
        self.0.rem_euclid(SECOND)
    }

    /// All of it in seconds.
    pub fn total_seconds(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }
}

impl fmt::Display for Length {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.days();
        if days != 0 {
            write!(out, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        let seconds = self.rest_seconds();
        write!(out, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        match self.rest_micros() {
            0 => Ok(()),
            micros => write!(out, ".{micros:06}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        let moment = Moment::parse("2024-02-29 13:05:09", "%Y-%m-%d %H:%M:%S").unwrap();
        assert_eq!(moment.to_string(), "2024-02-29 13:05:09");
        assert_eq!(
            moment.format("%a %A %b %B %d %j %U %W %V %I %p %y %e %-d %s"),
            "Thu Thursday Feb February 29 060 08 09 09 01 PM 24 29 29 1709211909"
        );
        assert_eq!(Moment::of_seconds(0.0).to_string(), "1970-01-01 00:00:00");
        assert!(Moment::parse("2023-02-29", "%Y-%m-%d").is_err());
        let length = Length(Moment::parse("2024-03-02", "%Y-%m-%d").unwrap().0 - moment.0);
        assert_eq!((length.to_string(), length.days()), ("1 day, 10:54:51".to_string(), 1));
    }
}
