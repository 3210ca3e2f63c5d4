//! Step kinds for data: backups, databases, migrations.

kinds! {
    "data":
    backup::Backup,
    restore::Restore,
    sql::Sql,
    migrate::Migrate,
}
