//! What `docker compose config` prints. The answer may hold secrets, so that nothing remembers it.

use crate::docker::ports::{Port, published};
use crate::model::{Value, Values};
use crate::template;
use std::collections::{BTreeMap, BTreeSet};

/// What a project's files ask for.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    /// Its volumes that have a name.
    pub volumes: Vec<Named>,
    /// Its networks.
    pub networks: Vec<Named>,
    /// The ports of the host that its services publish, by service.
    pub ports: BTreeMap<String, Vec<Port>>,
    /// What its services need, by service.
    needs: BTreeMap<String, Needs>,
}

/// What a service needs, by the names that the files have for it.
#[derive(Debug, Default, PartialEq)]
struct Needs {
    services: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

/// A volume or a network.
#[derive(Debug, PartialEq)]
pub struct Named {
    /// As the files have it.
    key: String,
    /// As Docker has it.
    pub name: String,
    /// Whether it must be there: compose does not make it.
    pub is_external: bool,
}

impl Config {
    /// Reads what compose printed for this project. What is not understood is not in it.
    pub fn read(project: &str, text: &str) -> Config {
        let documents = template::read_yaml(text).unwrap_or_default();
        let Some(Value::Object(config)) = documents.into_iter().next() else { return Config::default() };
        let services = table(config.get("services"));
        let ports = |(name, service): (&String, &Value)| (name.clone(), ports(service));
        let needs = |(name, service): (&String, &Value)| (name.clone(), needs(service));
        Config {
            needs: services.into_iter().flatten().map(needs).collect(),
            volumes: named(project, config.get("volumes")),
            networks: named(project, config.get("networks")),
            ports: services.into_iter().flatten().map(ports).filter(|(_, ports)| !ports.is_empty()).collect(),
        }
    }

    /// What starting these services needs, with those that they depend on; all of it when none are named.
    pub fn of_services(mut self, services: &[String]) -> Config {
        if services.is_empty() {
            return self;
        }
        let mut all: BTreeSet<String> = BTreeSet::new();
        let mut left: Vec<String> = services.to_vec();
        while let Some(name) = left.pop() {
            let needed = self.needs.get(&name).map_or(&[][..], |needs| &needs.services);
            if all.insert(name) {
                left.extend_from_slice(needed);
            }
        }
        self.needs.retain(|name, _| all.contains(name));
        self.ports.retain(|name, _| all.contains(name));
        let used = |of: &dyn Fn(&Needs) -> &Vec<String>, named: &Named| {
            self.needs.values().any(|needs| of(needs).contains(&named.key))
        };
        self.networks.retain(|network| used(&|needs| &needs.networks, network));
        self.volumes.retain(|volume| used(&|needs| &needs.volumes, volume));
        self
    }
}

/// Lists of names and tables by name are both forms that compose prints.
fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Object(table)) => table.keys().cloned().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        _ => Vec::new(),
    }
}

fn needs(service: &Value) -> Needs {
    let volume = |volume: &Value| match volume {
        Value::String(short) => short.split_once(':').map(|(source, _)| source.to_string()),
        long => long.get("source").and_then(Value::as_str).map(str::to_string),
    };
    let volumes = service.get("volumes").and_then(Value::as_array);
    let networks = names(service.get("networks"));
    let has_own = service.get("network_mode").is_some() || !networks.is_empty();
    Needs {
        services: names(service.get("depends_on")),
        networks: if has_own { networks } else { vec!["default".to_string()] },
        volumes: volumes.into_iter().flatten().filter_map(volume).collect(),
    }
}

fn table(value: Option<&Value>) -> Option<&Values> {
    value?.as_object()
}

fn named(project: &str, section: Option<&Value>) -> Vec<Named> {
    let one = |(key, of): (&String, &Value)| {
        let name = of.get("name").and_then(Value::as_str).map(str::to_string);
        let is_external = !matches!(of.get("external"), None | Some(Value::Null | Value::Bool(false)));
        Named { key: key.clone(), name: name.unwrap_or_else(|| format!("{project}_{key}")), is_external }
    };
    table(section).into_iter().flatten().map(one).collect()
}

/// The ports of the host that a service publishes, in the short form of compose or in its long one.
fn ports(service: &Value) -> Vec<Port> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let one = |port: &Value| match port {
        Value::Object(long) => {
            let address = long.get("host_ip").map_or_else(String::new, |address| text(address) + ":");
            let protocol = long.get("protocol").map_or_else(|| "tcp".to_string(), text);
            Some(format!("{address}{}:0/{protocol}", text(long.get("published")?)))
        }
        short => Some(text(short)),
    };
    let all = service.get("ports").and_then(Value::as_array);
    published(&all.into_iter().flatten().filter_map(one).collect::<Vec<_>>())
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
    fn services_need_what_they_and_those_that_they_depend_on_use() {
        let text = "services:\n  app:\n    depends_on: {db: {condition: service_started}}\n    networks: {edge: null}\n    ports: ['80:80']\n  \
                    db:\n    volumes:\n    - {type: volume, source: data, target: /data}\n    - /srv/x:/x\n    ports: ['5432:5432']\n  \
                    job:\n    depends_on: [db]\n    network_mode: host\n    volumes: ['spool:/spool', /anonymous]\n\
                    networks: {default: {name: shop_default}, edge: {name: edge, external: true}}\n\
                    volumes: {data: {}, spool: {external: true, name: spool}}\n";
        let of = |services: &[&str]| {
            let services: Vec<_> = services.iter().map(|name| name.to_string()).collect();
            shown(&Config::read("shop", text).of_services(&services))
        };
        expect_test::expect![[r#"
            volumes: shop_data
            networks: shop_default, edge (external)
            app Port { address: "", number: 80, protocol: "tcp" }
            db Port { address: "", number: 5432, protocol: "tcp" }

            volumes: shop_data, spool (external)
            networks: shop_default
            db Port { address: "", number: 5432, protocol: "tcp" }
        "#]]
        .assert_eq(&[of(&["app"]), of(&["job"])].join("\n"));
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
