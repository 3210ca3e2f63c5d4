//! Step kinds for Docker: images, containers, Compose projects.

kinds! {
    "containers":
    compose_port::ComposePort,
    image::Image,
    container::Container,
    compose::Compose,
    blue_green::BlueGreen,
    docker_prune::DockerPrune,
}
