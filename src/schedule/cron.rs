//! A cron expression: five fields, six with seconds in front, or `@daily` and the like.

use crate::model::{Failure, Result};
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;

/// Words for common expressions.
const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// When something is to happen, by the clock on the wall.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
    follows: Follows,
}

/// What an expression follows when the clock is put forward or back, as in Vixie's cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Times of day (`30 2 * * *`): each comes once a day. One that is left out comes right after the gap; one that
    /// comes twice counts the first time.
    Day,
    /// The clock, because seconds, minutes or hours begin with `*`: what is left out does not come, what comes twice
    /// counts twice.
    Clock,
}

impl Cron {
    /// Reads an expression. One that never comes, such as the 30th of February, is an error.
    pub fn parse(text: &str) -> Result<Cron> {
        let doing = || format!("read the cron expression {text:?}");
        let fields = unfolded(text).map_err(|failure| Failure { doing: doing(), ..failure })?;
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .dom_and_dow(has_star_day(&fields))
            .build();
        let pattern = parser.parse(&fields).map_err(|error| {
            Failure::new(doing(), error.to_string().to_lowercase().trim_end_matches('.')).hint(FIELDS)
        })?;
        let cron = Cron { text: text.to_string(), follows: follows(&fields), pattern };
        match cron.at_or_after(DateTime::constant(2024, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err(Failure::new(doing(), "there is no such day").hint("look at the day and the month")),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it follows when the clock changes.
    pub fn follows(&self) -> Follows {
        self.follows
    }

    /// The fields as sets of values, for those who write them down in another language.
    pub fn pattern(&self) -> &croner::CronPattern {
        &self.pattern.pattern
    }

    /// Whether a time on the wall clock is one of its times.
    pub fn is_at(&self, time: DateTime) -> bool {
        self.pattern.is_time_matching(&time).unwrap_or(false)
    }

    /// The first time on the wall clock at or after `time`; `None` when there is none any more.
    pub fn at_or_after(&self, time: DateTime) -> Option<DateTime> {
        self.pattern.find_next_occurrence(&time, true).ok()
    }

    /// The last time on the wall clock at or before `time`.
    pub fn at_or_before(&self, time: DateTime) -> Option<DateTime> {
        self.pattern.find_previous_occurrence(&time, true).ok()
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        self.text == other.text
    }
}

const FIELDS: &str =
    "five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily";

/// Nicknames written out.
fn unfolded(text: &str) -> Result<String> {
    let text = text.trim();
    if !text.starts_with('@') {
        return Ok(text.to_string());
    }
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, fields)| fields.to_string()).ok_or_else(|| {
        let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        Failure::new("", format!("{text} is not known")).hint(format!("there are: {}", names.join(", ")))
    })
}

fn follows(fields: &str) -> Follows {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Day of month, month and day of week are the last three; those before them are of the time of day.
    let of_time = &fields[..fields.len().saturating_sub(3)];
    match of_time.iter().any(|field| field.starts_with('*')) {
        true => Follows::Clock,
        false => Follows::Day,
    }
}

/// Whether one of the two day fields begins with `*`, as `*/2` does. Vixie's cron (crontab(5), "day of month") then asks
/// for days that both fields name; otherwise for days that either names.
fn has_star_day(fields: &str) -> bool {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let day_fields = fields.iter().rev().step_by(2).take(2);
    day_fields.into_iter().any(|field| field.starts_with('*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// The days of December 2026 on which an expression has a time.
    fn days(text: &str) -> Vec<i8> {
        let cron = Cron::parse(text).unwrap();
        (1..=31).filter(|day| cron.is_at(DateTime::constant(2026, 12, *day, 0, 0, 0, 0))).collect()
    }

    #[test]
    fn a_day_field_that_begins_with_a_star_narrows_the_other_one() {
        // As Debian's cron does it; the first is a Tuesday.
        assert_eq!(days("0 0 */2 * 3"), [9, 23]);
        assert_eq!(days("0 0 0 */2 * 3"), [9, 23]);
        assert_eq!(days("0 0 1-10 * */3"), [2, 5, 6, 9], "Sundays, Wednesdays and Saturdays up to the tenth");
        assert_eq!(days("0 0 1,2 * 3"), [1, 2, 9, 16, 23, 30], "without a star either field is enough");
        assert_eq!(days("0 0 * * 3"), [2, 9, 16, 23, 30]);
        assert_eq!(days("0 0 13 * *"), [13]);
    }

    #[test]
    fn expressions_are_read() {
        for (text, wanted) in [
            ("0 2 * * *", Follows::Day),
            ("0,30 2,14 * * MON-FRI", Follows::Day),
            ("*/5 2 * * *", Follows::Clock),
            ("15 * * * *", Follows::Clock),
            ("30 0 2 * * *", Follows::Day),
            ("@Hourly", Follows::Clock),
            ("@midnight", Follows::Day),
        ] {
            assert_eq!(Cron::parse(text).unwrap().follows(), wanted, "{text}");
        }
    }

    #[test]
    fn wrong_ones_say_what_is_wrong() {
        let told: Vec<String> = ["0 2 * *", "61 * * * *", "0 0 30 2 *", "@reboot", "0 0 0 1 1 * 2030", ""]
            .iter()
            .map(|text| Cron::parse(text).unwrap_err().to_string())
            .collect();
        expect![[r#"
            read the cron expression "0 2 * *": invalid pattern: pattern must have 5 or 6 fields when years are disallowed
              hint: five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily
            read the cron expression "61 * * * *": component error: number out of bounds
              hint: five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily
            read the cron expression "0 0 30 2 *": there is no such day
              hint: look at the day and the month
            read the cron expression "@reboot": @reboot is not known
              hint: there are: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly
            read the cron expression "0 0 0 1 1 * 2030": invalid pattern: pattern must have 5 or 6 fields when years are disallowed
              hint: five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily
            read the cron expression "": cronpattern cannot be an empty string
              hint: five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily"#]].assert_eq(&told.join("\n"));
    }
}
