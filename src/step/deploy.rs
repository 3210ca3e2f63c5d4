//! Step kinds that put a release in service, and those that audit what is to be released.

kinds! {
    "deploy and audit":
    release::Release,
    tree_audit::TreeAudit,
    env_audit::EnvAudit,
    imports_audit::ImportsAudit,
}
