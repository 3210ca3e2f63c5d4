//! The HTML report in a browser: Chromium without a window opens it, a script presses keys, and what the page is then is read.
#![expect(clippy::disallowed_methods, reason = "the test starts a browser")]

use crate::stage::Project;
use std::process::Command;

/// Presses keys and writes into the page what came of each: which host has the focus, which are open, and the theme.
const PRESSES: &str = r#"<script>
const shown = () => [
  document.activeElement.closest("details.host")?.querySelector("summary").textContent.trim().split(/\s+/)[0] ?? "-",
  [...document.querySelectorAll("details.host")].map((host) => (host.open ? "open" : "shut")).join(" "),
  getComputedStyle(document.body).backgroundColor,
].join(" ");
const said = [`start ${shown()}`];
for (const key of "jjkooeet") {
  dispatchEvent(new KeyboardEvent("keydown", { key }));
  said.push(`${key} ${shown()}`);
}
const loaded = performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
document.body.innerHTML = `<pre>${said.join("\n")}\nloaded ${loaded.length}</pre>`;
</script>"#;

/// What the page of these presses says in a browser that prefers light or dark.
fn pressed(project: &Project, dark: bool) -> Vec<String> {
    let page = project.read("report.html").replace("</body>", &format!("{PRESSES}</body>"));
    project.write("pressed.html", page);
    let address = format!("file://{}", project.path().join("pressed.html").display());
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let shown = ["chromium", "google-chrome"].into_iter().find_map(|browser| {
        let mut command = Command::new(browser);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--dump-dom",
        ]);
        command.arg(&scheme).arg(format!("--user-data-dir={}", project.path().join("browser").display()));
        command.arg(&address).output().ok()
    });
    let shown = shown.expect("chromium is installed");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let pre = text.split_once("<pre>").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (said, _) = pre.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&shown.stderr)));
    said.lines().map(str::to_string).collect()
}

#[test]
fn a_report_is_read_with_the_keyboard_in_light_and_dark_and_loads_nothing() {
    let project = Project::without_inventory();
    let hosts =
        "[hosts.web1]\naddress = \"127.0.0.1\"\n[hosts.web2]\naddress = \"127.0.0.1\"\n[ssh]\nport = 9\n";
    project.write("inventories/prod.toml", hosts);
    let run =
        project.windlass(["run", "command", "--hosts", "prod", "--report", "report.html", "--", "true"]);
    assert_eq!(run.code, 4, "{run:?}");
    let light = pressed(&project, false);
    let dark = pressed(&project, true);
    let without_colour = |said: &[String]| -> Vec<String> {
        said.iter().map(|line| line.split(" rgb").next().unwrap_or_default().to_string()).collect()
    };
    let keys = [
        "start - open open",
        "j web1 open open",
        "j web2 open open",
        "k web1 open open",
        "o web1 shut open",
        "o web1 open open",
        "e web1 shut shut",
        "e web1 open open",
        "t web1 open open",
        "loaded 0",
    ];
    assert_eq!(without_colour(&light), keys);
    assert_eq!(without_colour(&dark), keys);
    let colour =
        |said: &[String], at: usize| said[at].split_once(" rgb").map(|(_, colour)| colour.to_string());
    assert_ne!(colour(&light, 0), colour(&dark, 0), "the page follows the browser");
    assert_eq!(colour(&light, 8), colour(&dark, 0), "t changes it");
    assert_eq!(colour(&dark, 8), colour(&light, 0), "t changes it");
}
