//! Small trees, and what they need.

use super::of;
use crate::audit::usual;
use crate::testing::host;
use std::path::Path;

fn told(files: &[(&str, &str)], example: Option<&str>) -> String {
    let needs = of(&host(files), Path::new("/t"), &usual(), example).unwrap();
    let told = needs.variables.iter().map(|(name, need)| {
        let mark = if need.required {
            "!"
        } else if need.read {
            "?"
        } else {
            "-"
        };
        let given = need.given.iter().map(|place| format!(" given {place}")).collect::<String>();
        let example = need.example.iter().map(|place| format!(" in {place}")).collect::<String>();
        let places = need.places.iter().map(|place| format!(" {place}")).collect::<String>();
        format!("{name}{mark}{places}{given}{example}")
    });
    let unread = needs.unread.iter().map(|(place, why)| format!("unread {place} {why}"));
    let whole = needs.whole.iter().map(|place| format!("whole {place}"));
    told.chain(unread).chain(whole).collect::<Vec<_>>().join("; ")
}

#[test]
fn code_compose_and_examples_are_put_together() {
    let files = [
        ("/t/src/db.js", "connect(process.env.DATABASE_URL)\nconst port = process.env.PORT ?? 3000"),
        ("/t/tool.py", "os.environ['DATABASE_URL']"),
        (
            "/t/compose.yaml",
            "services:\n  app:\n    image: app:${TAG}\n    environment:\n      REDIS_URL: redis://redis\n",
        ),
        ("/t/.env.example", "DATABASE_URL=\nUNUSED=1\n"),
        ("/t/Dockerfile", "ENV NODE_ENV=production"),
        ("/t/node_modules/x/index.js", "process.env.NOT_OURS"),
        ("/t/readme.md", "process.env.NEITHER"),
    ];
    assert_eq!(
        told(&files, None),
        "DATABASE_URL! src/db.js:1 tool.py:1 in .env.example:1; NODE_ENV- given Dockerfile:1; PORT? src/db.js:2; \
         REDIS_URL- given compose.yaml:5; TAG! compose.yaml:3; UNUSED- in .env.example:2"
    );
}

#[test]
fn the_example_can_be_named_and_what_cannot_be_read_is_told() {
    let files = [
        ("/t/config/env.txt", "A=1"),
        ("/t/.env.example", "B=1"),
        ("/t/a.js", "process.env.C(;\n"),
        ("/t/b.js", "spawn(x, { env: process.env })"),
    ];
    assert_eq!(
        told(&files, Some("config/env.txt")),
        "A- in config/env.txt:1; unread a.js:1 Unexpected token; whole b.js:1"
    );
}
