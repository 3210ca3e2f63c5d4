//! The book that mdBook makes of `docs/`: it is built, and each link of its pages leads to a page and an anchor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pages that repeat the others.
const REPEATS: &[&str] = &["print.html", "toc.html", "404.html"];

#[test]
fn every_link_of_the_built_book_leads_to_a_page_and_an_anchor() {
    let built = tempfile::tempdir().expect("a directory for the book");
    let made = Command::new("mdbook").args(["build", "docs", "--dest-dir"]).arg(built.path()).output();
    let made = made.expect("mdbook is installed: cargo install mdbook");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let pages = pages(built.path());
    assert!(pages.len() > 50, "{} pages", pages.len());
    let broken = pages.iter().flat_map(|(page, text)| {
        links(text).into_iter().filter_map(|link| {
            let why = wrong(built.path(), page, &link, &pages)?;
            Some(format!("{}: {link}: {why}", page.display()))
        })
    });
    super::complain(broken);
}

/// The pages by their paths in the book.
fn pages(book: &Path) -> BTreeMap<PathBuf, String> {
    let (mut pages, mut waiting) = (BTreeMap::new(), vec![book.to_path_buf()]);
    while let Some(directory) = waiting.pop() {
        for entry in
            fs::read_dir(&directory).expect("it was built").map(|entry| entry.expect("a file").path())
        {
            let path = entry.strip_prefix(book).expect("it is in the book").to_path_buf();
            match path.extension().is_some_and(|ending| ending == "html") {
                true if REPEATS.iter().any(|repeat| path.ends_with(repeat)) => {}
                true => drop(pages.insert(path, fs::read_to_string(&entry).expect("a page is text"))),
                false if entry.is_dir() => waiting.push(entry),
                false => {}
            }
        }
    }
    pages
}

fn links(page: &str) -> BTreeSet<String> {
    let values = |name: &str| -> Vec<String> {
        let before = format!(" {name}=\"");
        let parts = page.split(&before).skip(1);
        parts.filter_map(|rest| Some(rest.split_once('"')?.0.to_string())).collect()
    };
    let inside = |link: &String| !link.contains("://") && !link.starts_with("mailto:");
    [values("href"), values("src")].concat().into_iter().filter(inside).collect()
}

/// Why a link leads to nothing.
fn wrong(book: &Path, from: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let to = if path.is_empty() { from.to_path_buf() } else { super::markdown::joined(from, path) };
    if !book.join(&to).exists() {
        return Some(format!("there is no {}", to.display()));
    }
    let has_it = |page: &String| page.contains(&format!(" id=\"{anchor}\""));
    let missing = !anchor.is_empty() && pages.get(&to).is_some_and(|page| !has_it(page));
    missing.then(|| "there is no such anchor".to_string())
}

#[test]
fn a_broken_link_of_a_book_is_found() {
    let book = tempfile::tempdir().expect("a directory");
    let page = "<a href=\"b.html#there\"></a><a href=\"b.html#gone\"></a><img src=\"x.png\"><a href=\"https://a\"></a><h2 id=\"there\">";
    for name in ["a.html", "b.html"] {
        fs::write(book.path().join(name), page).unwrap();
    }
    let pages = pages(book.path());
    let wrong = |link: &str| wrong(book.path(), Path::new("a.html"), link, &pages);
    assert_eq!(links(page).into_iter().collect::<Vec<_>>(), ["b.html#gone", "b.html#there", "x.png"]);
    assert_eq!(wrong("b.html#there"), None);
    assert_eq!(wrong("b.html#gone").as_deref(), Some("there is no such anchor"));
    assert_eq!(wrong("x.png").as_deref(), Some("there is no x.png"));
}
