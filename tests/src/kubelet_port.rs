//! The port of a kubelet: `/pods` and `/configz` over TLS, for who has the token. A real one would run this
//! machine's pods.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};

/// What it says.
#[derive(Clone, Debug)]
pub enum Says {
    /// The pods of this directory of manifests, and that it is configured by this.
    All(PathBuf, Value),
    /// That nobody may know: 403.
    Nothing,
}

/// Instead of a request, where the other side has ended the connection before it.
pub const BROKEN_OFF: &str = "broken off";

/// A request that has been answered: method and path, and its `Authorization`.
pub type Answered = (String, Option<String>);

/// The port, until the program ends.
#[derive(Debug)]
pub struct KubeletPort {
    address: SocketAddr,
    /// Its certificate, which it has signed itself.
    certificate: PathBuf,
    answered: Arc<(Mutex<Vec<Answered>>, Condvar)>,
}

impl KubeletPort {
    /// Opens it on loopback, as the kubelet of `node`; its certificate is put into `dir`.
    pub fn open(dir: &Path, node: &str, says: Says) -> Result<Self> {
        let own = rcgen::generate_simple_self_signed(vec![node.to_owned()])?;
        let certificate = dir.join("kubelet.crt");
        fs::write(&certificate, own.cert.pem())?;
        let key = PrivateKeyDer::from_pem_slice(own.signing_key.serialize_pem().as_bytes())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)?;
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0")?);
        let address = listener.local_addr()?;
        let answered = Arc::new((Mutex::new(Vec::<Answered>::new()), Condvar::new()));
        let seen = answered.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = answer(stream, config.clone(), &says);
                let request = request.unwrap_or_else(|_| (BROKEN_OFF.to_owned(), None));
                seen.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                seen.1.notify_all();
            }
        });
        Ok(Self { address, certificate, answered })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file of its certificate.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Waits until that request has been answered so often; gives all requests.
    pub fn wait(&self, request: &str, times: usize, patience: Duration) -> Result<Vec<Answered>> {
        let deadline = Instant::now() + patience;
        let mut seen = self.answered.0.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.iter().filter(|(asked, _)| asked == request).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no {request} within {patience:?}; asked for: {seen:?}");
            }
            let waited = self.answered.1.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(seen.clone())
    }
}

/// One request a connection.
fn answer(stream: TcpStream, config: Arc<ServerConfig>, says: &Says) -> Result<Answered> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let request = head.first().context("no request")?.replace(" HTTP/1.1", "");
    let is_authorization = |line: &&String| line.to_lowercase().starts_with("authorization: ");
    let header = head.iter().find(is_authorization).and_then(|line| line.split_once(": "));
    let (status, body) = match (says, request.as_str()) {
        (Says::Nothing, _) => ("403 Forbidden", "Forbidden".to_owned()),
        (Says::All(manifests, _), "GET /pods") => ("200 OK", pods(manifests)?.to_string()),
        (Says::All(_, configuration), "GET /configz") => {
            ("200 OK", json!({"kubeletconfig": configuration}).to_string())
        }
        (Says::All(..), _) => ("404 Not Found", String::new()),
    };
    let stream = stream.get_mut();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok((request, header.map(|(_, value)| value.to_owned())))
}

fn pods(manifests: &Path) -> Result<Value> {
    let mut items = Vec::new();
    for entry in fs::read_dir(manifests)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path)?;
            items.push(serde_saphyr::from_str::<Value>(&text).with_context(|| text.clone())?);
        }
    }
    Ok(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
}
