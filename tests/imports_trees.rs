//! Imports of real open-source trees, brought in through the npm registry.
use std::path::Path;
use windlass::system::local::Local;
fn main() {}
#[test]
fn try_it() {
    let root = std::env::var("TREE").unwrap();
    let skip = |path: &Path| path.ends_with("node_modules") || path.ends_with(".git");
    let started = std::time::Instant::now();
    for finding in windlass::audit::imports::of(&Local::new(), Path::new(&root), &skip).unwrap() {
        println!("{finding} {:?}", finding.hint);
    }
    println!("{:?}", started.elapsed());
}
