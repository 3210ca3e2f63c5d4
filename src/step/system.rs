//! Step kinds for the operating system: packages, services, accounts, the kernel, the firewall, sshd.

kinds! {
    "system":
    package::Package,
    service::Service,
    user::User,
    group::Group,
    authorized_key::AuthorizedKey,
    sudoers::Sudoers,
    cron::Cron,
    timer::Timer,
    sysctl::Sysctl,
    hostname::Hostname,
    timezone::Timezone,
    swap::Swap,
    mount::Mount,
    sshd::Sshd,
    firewall::Firewall,
    reboot::Reboot,
}
