//! A proxy that clients reach over https, as one before a server often is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The self-signed certificate of `localhost` that the proxy has, or its key.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/it/fixtures/tls").join(name)
}

/// Starts a proxy before a server. Returns its address.
pub(crate) fn start(server: SocketAddr) -> String {
    clipdraw::tls::install_crypto_provider();
    let chain = CertificateDer::from_pem_file(fixture("authority.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("authority.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, stream.unwrap());
            // A client may leave at any time.
            std::thread::spawn(move || drop(forward(stream, server)));
        }
    });
    format!("https://localhost:{port}")
}

/// Passes one request on, and its response back.
fn forward(
    mut client: StreamOwned<ServerConnection, TcpStream>,
    server: SocketAddr,
) -> std::io::Result<()> {
    let (head, mut body) = read_head(&mut client)?;
    let mut lines: Vec<_> = head.split("\r\n").collect();
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    let rest = length.unwrap_or(0).saturating_sub(body.len());
    let mut more = vec![0; rest];
    client.read_exact(&mut more)?;
    body.extend(more);
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.insert(1, "connection: close");
    lines.insert(1, "x-forwarded-proto: https");
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())?;
    upstream.write_all(&body)?;
    std::io::copy(&mut upstream, &mut client)?;
    client.conn.send_close_notify();
    client.flush()
}

/// The head of a request, and what was read after it.
fn read_head(client: &mut impl Read) -> std::io::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = read.windows(END.len()).position(|bytes| bytes == END) {
            let body = read.split_off(end + END.len());
            read.truncate(end);
            return Ok((String::from_utf8(read).unwrap(), body));
        }
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..count]);
    }
}
