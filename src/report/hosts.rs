//! Lists of hosts as they fit on a line.

use super::escape;
use crate::inventory::fold::fold;
use unicode_width::UnicodeWidthStr;

/// A list of hosts is cut at so many columns: names without a pattern would fill the screen.
const WIDTH: usize = 60;

/// `web[01-14,17]`; of a longer list its start, and how many hosts it has.
pub fn listed<S: AsRef<str>>(hosts: &[S]) -> String {
    let all = escape::line(&fold(hosts)).into_owned();
    if hosts.len() < 2 || all.width() <= WIDTH {
        return all;
    }
    let mut start = String::new();
    for part in all.split_inclusive(',') {
        if start.width() + part.width() > WIDTH {
            break;
        }
        start += part;
    }
    format!("{start}… ({} hosts)", hosts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_counted() {
        assert_eq!(listed(&["web1", "web2", "db1"]), "db1,web[1-2]");
        let hosts: Vec<String> =
            (0..2000).map(|number| format!("h{}x{}", number * 7919 % 2003, number)).collect();
        let cut = listed(&hosts);
        assert!(cut.ends_with("… (2000 hosts)") && cut.width() < WIDTH + 20, "{cut}");
        let one = "x".repeat(200);
        assert_eq!(listed(std::slice::from_ref(&one)), one);
    }
}
