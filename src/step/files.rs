//! Step kinds for what is in files and directories.

kinds! {
    "files":
    file::File,
    template::Template,
    directory::Directory,
    symlink::Symlink,
    absent::Absent,
    line::Line,
    block::Block,
    json::Json,
    overlay::Overlay,
    sync::Sync,
    archive::Archive,
    fetch::Fetch,
    stray_files::StrayFiles,
}
