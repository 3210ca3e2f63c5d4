//! Step kinds for nginx.

kinds! {
    "web":
    nginx_site::NginxSite,
    nginx_port::NginxPort,
}
