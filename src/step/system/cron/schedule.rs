//! When a job of cron's runs: five fields or a word, as crontab(5) has them.

/// Words that stand for five fields.
const WORDS: &[&str] =
    &["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// What each field is, from and to which number, and the names that stand for numbers.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of the week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Says what cron would not understand: it reports nothing, and the job never runs.
pub fn check(schedule: &str) -> Result<(), String> {
    if WORDS.contains(&schedule.trim()) {
        return Ok(());
    }
    let words: Vec<&str> = schedule.split_ascii_whitespace().collect();
    if words.len() != FIELDS.len() {
        return Err(format!(
            "{schedule:?} is neither five fields, as in \"15 3 * * 1-5\", nor a word such as @daily"
        ));
    }
    words.iter().zip(FIELDS).try_for_each(|(word, field)| check_field(word, field))
}

/// Whether days of the month and of the week are both restricted. cron calls a field that begins with `*` no restriction,
/// whatever its step is.
pub fn has_both_days(schedule: &str) -> bool {
    let words: Vec<&str> = schedule.split_ascii_whitespace().collect();
    matches!(words.as_slice(), [_, _, day, _, weekday] if !day.starts_with('*') && !weekday.starts_with('*'))
}

fn check_field(word: &str, (what, first, last, names): (&str, u32, u32, &[&str])) -> Result<(), String> {
    let wrong = |part: &str| format!("the {what} {part:?} is not from {first} to {last}");
    let number = |text: &str| {
        let name = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = name.map(|index| index as u32 + first).or_else(|| plain(text));
        value.filter(|value| (first..=last).contains(value)).ok_or_else(|| wrong(text))
    };
    for part in word.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        if step.is_some_and(|step| plain(step).is_none_or(|step| step == 0)) {
            return Err(wrong(part));
        }
        match range.split_once('-') {
            _ if range == "*" => {}
            Some((from, to)) if number(from)? <= number(to)? => {}
            Some(_) => return Err(wrong(part)),
            // A step needs something to step through.
            None if step.is_some() => return Err(wrong(part)),
            None => drop(number(range)?),
        }
    }
    Ok(())
}

fn plain(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_cron_knows() {
        for good in ["* * * * *", "*/5 0-6,22 1 jan-Mar 1-5/2", "0 0 * * 7", " @daily ", "59 23 31 12 sun"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "*/0 * * * *",
            "5/2 * * * *",
            "* * 0 * *",
            "6-3 * * * *",
            "@often",
            "* * * * 1,,2",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
