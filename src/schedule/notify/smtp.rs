//! Mail: the notice's sentence as subject, its JSON as text.

use super::{Encryption, Notice, PATIENCE, Smtp};
use crate::model::{Doing, Result};
use crate::report::escape;
use lettre::message::Mailbox;
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::path::Path;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Smtp {
    /// Hands it to the server; that it took it means that it arrived.
    pub async fn tell(&self, notice: &Notice, root: &Path) -> Result<()> {
        super::use_ring();
        let mut server = self.server()?.timeout(Some(PATIENCE));
        if let Some(port) = self.port {
            server = server.port(port);
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            server = server.credentials(Credentials::new(user.clone(), password.revealed(root)?));
        }
        let transport: Transport = server.build();
        transport.send(self.mail(notice)?).await.doing(format!("hand mail to {}", self.host))?;
        Ok(())
    }

    fn server(&self) -> Result<AsyncSmtpTransportBuilder> {
        let doing = format!("prepare a connection to {}", self.host);
        match self.tls {
            Encryption::Upgraded => Transport::starttls_relay(&self.host).doing(doing),
            Encryption::Always => Transport::relay(&self.host).doing(doing),
            Encryption::None => Ok(Transport::builder_dangerous(&self.host)),
        }
    }

    fn mail(&self, notice: &Notice) -> Result<Message> {
        let mut mail = Message::builder().from(mailbox(&self.from)?).subject(subject(notice));
        for to in &self.to {
            mail = mail.to(mailbox(to)?);
        }
        let json = escape::json(serde_json::to_string_pretty(notice).doing("write the notice")?);
        let text = format!("{}\r\n\r\n{}\r\n", escape::line(&notice.text), json.replace('\n', "\r\n"));
        mail.body(text).doing("write the mail")
    }
}

fn mailbox(text: &str) -> Result<Mailbox> {
    text.parse().doing(format!("read the address {text}"))
}

/// A header is one line.
fn subject(notice: &Notice) -> String {
    format!("windlass: {}", escape::line(&notice.text))
}
