//! Keys that live in hardware (`sk-…`), which windlass uses through an agent. The agent here signs as such a key does, in software:
//! over the digests of application and message, with flags and a counter.

use super::*;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::PrivateKey;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

const KIND: &[u8] = b"sk-ssh-ed25519@openssh.com";
const APPLICATION: &[u8] = b"ssh:";
/// The owner touched the key.
const TOUCHED: u8 = 1;

/// An agent with one key, which it says that its owner touched, or not.
#[derive(Clone)]
struct HardwareKey {
    private: PrivateKey,
    flags: u8,
}

impl HardwareKey {
    fn of(sshd: &Sshd, flags: u8) -> HardwareKey {
        HardwareKey { private: PrivateKey::read_openssh_file(sshd.path("id")).unwrap(), flags }
    }

    fn public(&self) -> Vec<u8> {
        let point = self.private.public_key().key_data().ed25519().unwrap().0;
        [string(KIND), string(&point), string(APPLICATION)].concat()
    }

    /// The line of `authorized_keys`.
    fn line(&self, options: &str) -> String {
        let blob = self.public();
        let text = encoded(&blob);
        format!("{options}{} {text} hardware\n", String::from_utf8_lossy(KIND))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let counter = 7u32.to_be_bytes();
        let signed = [
            Sha256::digest(APPLICATION).to_vec(),
            vec![self.flags],
            counter.to_vec(),
            Sha256::digest(message).to_vec(),
        ];
        let signature = self.private.key_data().try_sign(&signed.concat()).unwrap();
        [string(KIND), string(signature.as_bytes()), vec![self.flags], counter.to_vec()].concat()
    }

    /// Answers on a socket until the test ends.
    fn listen(self, socket: PathBuf) -> PathBuf {
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let key = self.clone();
                std::thread::spawn(move || key.answer(stream));
            }
        });
        socket
    }

    fn answer(&self, mut stream: UnixStream) {
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            let reply = match request[0] {
                // SSH_AGENTC_REQUEST_IDENTITIES
                11 => [vec![12], 1u32.to_be_bytes().to_vec(), string(&self.public()), string(b"hardware")]
                    .concat(),
                // SSH_AGENTC_SIGN_REQUEST: the key, then the message.
                13 => {
                    let (_key, rest) = split(&request[1..]);
                    [vec![14], string(&self.sign(split(rest).0))].concat()
                }
                _ => vec![5],
            };
            stream.write_all(&string(&reply)).unwrap();
        }
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(4);
    rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize)
}

/// As ssh-keygen writes it.
fn encoded(blob: &[u8]) -> String {
    russh::keys::PublicKey::from_bytes(blob)
        .unwrap()
        .to_openssh()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_string()
}

async fn log_in(sshd: &Sshd, socket: PathBuf) -> Result<Connection, ConnectError> {
    let target =
        Target { identities: Vec::new(), identities_named: false, agent: Some(socket), ..sshd.target() };
    connect(&target, &Shared::new()).await
}

#[tokio::test]
async fn a_key_in_hardware_signs_through_the_agent() {
    let sshd = Sshd::start("");
    let touched = HardwareKey::of(&sshd, TOUCHED);
    fs::write(sshd.path("authorized_keys"), touched.line("")).unwrap();
    let socket = touched.listen(sshd.path("touched"));
    let connection = log_in(&sshd, socket).await.unwrap();
    assert_eq!(run(&connection, "echo in", "").await, printed("in\n"));
}

#[tokio::test]
async fn a_key_that_was_not_touched_is_refused_unless_the_server_allows_that() {
    let sshd = Sshd::start("");
    let untouched = HardwareKey::of(&sshd, 0);
    fs::write(sshd.path("authorized_keys"), untouched.line("")).unwrap();
    let socket = untouched.clone().listen(sshd.path("untouched"));
    let why = log_in(&sshd, socket.clone()).await.err().unwrap().to_string();
    assert!(why.contains("hardware"), "{why}");
    fs::write(sshd.path("authorized_keys"), untouched.line("no-touch-required ")).unwrap();
    log_in(&sshd, socket).await.unwrap();
}
