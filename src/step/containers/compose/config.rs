//! What `docker compose config` prints: YAML as compose itself writes it. The answer may hold secrets, so that nothing
//! remembers it.

use crate::docker::ports::{Port, published};
use std::collections::BTreeMap;

/// What a project's files ask for.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    /// Its volumes that have a name.
    pub volumes: Vec<Named>,
    /// Its networks.
    pub networks: Vec<Named>,
    /// The ports of the host that its services publish, by service.
    pub ports: BTreeMap<String, Vec<Port>>,
}

/// A volume or a network.
#[derive(Debug, PartialEq)]
pub struct Named {
    /// As Docker has it.
    pub name: String,
    /// Whether it must be there: compose does not make it.
    pub is_external: bool,
}

/// A port as the long form of compose has it.
#[derive(Default)]
struct Item {
    address: String,
    published: String,
    protocol: String,
}

impl Config {
    /// Reads what compose printed for this project. What is not understood is not in it.
    pub fn read(project: &str, text: &str) -> Config {
        let mut config = Config::default();
        let (mut section, mut service, mut in_ports) = ("", "", false);
        let mut items: Vec<(&str, Item)> = Vec::new();
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            let line = line.trim();
            let word = line.strip_prefix("- ");
            let is_item = word.is_some();
            let word = word.unwrap_or(line);
            let (key, value) = word.split_once(": ").unwrap_or((word.trim_end_matches(':'), ""));
            let (key, value) = (unquoted(key), unquoted(value.trim()));
            match (section, depth, is_item) {
                (_, 0, false) => (section, in_ports) = (key, false),
                ("services", 2, false) => (service, in_ports) = (key, false),
                ("services", 4, false) => in_ports = key == "ports",
                ("services", ..) if in_ports => {
                    if is_item {
                        items.push((service, Item::default()));
                    }
                    let Some((service, item)) = items.last_mut() else { continue };
                    match key {
                        "host_ip" => item.address = format!("{value}:"),
                        "published" => item.published = value.to_string(),
                        "protocol" => item.protocol = value.to_string(),
                        _ if is_item && value.is_empty() => config.publish(service, unquoted(word)),
                        _ => {}
                    }
                }
                ("volumes" | "networks", 2, false) => {
                    let of = config.of(section);
                    of.push(Named { name: format!("{project}_{key}"), is_external: false });
                }
                ("volumes" | "networks", 4, false) => {
                    let Some(last) = config.of(section).last_mut() else { continue };
                    match key {
                        "name" => last.name = value.to_string(),
                        "external" => last.is_external = value != "false",
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        for (service, Item { address, published, protocol }) in items {
            if !published.is_empty() {
                let protocol = if protocol.is_empty() { "tcp" } else { &protocol };
                config.publish(service, &format!("{address}{published}:0/{protocol}"));
            }
        }
        config
    }

    fn of(&mut self, section: &str) -> &mut Vec<Named> {
        if section == "volumes" { &mut self.volumes } else { &mut self.networks }
    }

    fn publish(&mut self, service: &str, port: &str) {
        self.ports.entry(service.to_string()).or_default().extend(published(&[port.to_string()]));
    }
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['\'', '"'])
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn shown(config: &Config) -> String {
        let named = |all: &[Named]| {
            let one = |named: &Named| {
                format!("{}{}", named.name, if named.is_external { " (external)" } else { "" })
            };
            all.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let port = |(service, ports): (&String, &Vec<Port>)| {
            ports.iter().map(|port| format!("{service} {port:?}\n")).collect::<String>()
        };
        let ports: String = config.ports.iter().map(port).collect();
        format!("volumes: {}\nnetworks: {}\n{ports}", named(&config.volumes), named(&config.networks))
    }

    #[test]
    fn both_forms_that_compose_prints_are_read() {
        let plugin = "name: shop\nservices:\n  app:\n    networks:\n      default: null\n      edge: null\n    ports:\n      \
                      - mode: ingress\n        host_ip: 127.0.0.1\n        target: 80\n        published: \"8080\"\n        protocol: tcp\n      \
                      - mode: ingress\n        target: 53\n        published: \"5353\"\n        protocol: udp\n      \
                      - mode: ingress\n        target: 99\n        protocol: tcp\n    restart: always\n  job:\n    image: x\n\
                      networks:\n  default:\n    name: shop_default\n  edge:\n    name: edge\n    external: true\n\
                      volumes:\n  data:\n    name: shop_data\n";
        let older = "networks:\n  edge:\n    external: true\n    name: edge\nservices:\n  app:\n    ports:\n    - 127.0.0.1:8080:80/tcp\n    \
                     - published: 90\n      target: 9\n    - '81'\n    volumes:\n    - data:/data:rw\nversion: '3.9'\nvolumes:\n  data: {}\nx-more: 1\n";
        expect_test::expect![[r#"
            volumes: shop_data
            networks: shop_default, edge (external)
            app Port { address: "127.0.0.1", number: 8080, protocol: "tcp" }
            app Port { address: "", number: 5353, protocol: "udp" }

            volumes: shop_data
            networks: edge (external)
            app Port { address: "127.0.0.1", number: 8080, protocol: "tcp" }
            app Port { address: "", number: 90, protocol: "tcp" }
        "#]]
        .assert_eq(&[plugin, older].map(|text| shown(&Config::read("shop", text))).join("\n"));
    }
}
