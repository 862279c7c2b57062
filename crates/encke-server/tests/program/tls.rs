//! The program over TLS, with certificates made for the test.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    listener::Listener,
    support::{Server, complaint, run},
};

/// A certificate for this machine and its key, in files that are gone with the test.
struct Identity {
    folder: PathBuf,
}

impl Identity {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("encke-tls-{}-{count}", process::id()));
        fs::create_dir_all(&folder).expect("a temporary directory can be made");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let identity = Self { folder };
        fs::write(identity.cert(), made.cert.pem()).expect("a file can be written");
        fs::write(identity.key(), made.signing_key.serialize_pem()).expect("a file can be written");
        identity
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn cert(&self) -> String {
        self.path("cert.pem")
    }

    fn key(&self) -> String {
        self.path("key.pem")
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the server says when it is started with these files.
fn refusal(cert: &str, key: &str) -> String {
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    let files = ["--tls-cert", cert, "--tls-key", key];
    complaint(&run(&[&listen[..], &files].concat()))
}

#[test]
fn pub_and_sub_speak_to_a_server_whose_certificate_they_are_given() {
    let identity = Identity::new();
    let (cert, key) = (identity.cert(), identity.key());
    let mut server = Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    assert!(server.url().starts_with("https://"));
    let url = format!("{}/live/news'", server.url());
    assert!(server.banner.contains(&url), "{}", server.banner);

    let ask = |ca: &[&str], args: &[&str]| run(&[args, &["--url", &server.url()], ca].concat());
    let published = ask(&["--ca", &cert], &["pub", "news", "kiki"]);
    assert!(published.status.success(), "{published:?}");
    let position = String::from_utf8(published.stdout).expect("a position is text");
    let refused = complaint(&ask(&[], &["pub", "news", "foo"]));
    assert!(refused.contains("--ca"), "{refused}");

    let mut listener = crate::support::encke(&["sub", "news", "--ca", &cert]);
    let since = format!("--since={}", position.trim_end());
    let listener = listener.args(["--url", &server.url(), &since]);
    let mut listener = listener
        .stdout(process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let published = ask(&["--ca", &cert], &["pub", "news", "bar"]);
    assert!(published.status.success(), "{published:?}");
    let output = listener.stdout.take().expect("standard output is piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output));
    let item = lines
        .by_ref()
        .map(|line| line.expect("output is text"))
        .find(|line| line.contains("data"));
    assert!(item.expect("an item").contains(r#""data":"bar""#));

    server.terminate();
    assert!(listener.wait().expect("the program ends").success());
    assert!(server.child.wait().expect("the program ends").success());
}

#[test]
fn sub_opens_a_websocket_over_tls_by_either_name_of_it() {
    let identity = Identity::new();
    let (cert, key) = (identity.cert(), identity.key());
    let server = Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    let published = run(&["pub", "news", "kiki", "--url", &server.url(), "--ca", &cert]);
    let since = String::from_utf8(published.stdout).expect("a position is text");
    run(&["pub", "news", "foo", "--url", &server.url(), "--ca", &cert]);
    let args = ["news", "--transport", "ws", "--since", since.trim_end()];
    for scheme in ["https", "wss"] {
        let url = server.url().replace("https", scheme);
        let mut listener = Listener::at(&url, &[&args[..], &["--ca", &cert]].concat());
        listener.until(r#""data":"foo""#);
        let distrusted = complaint(&run(&[&["sub", "--url", &url], &args[..]].concat()));
        assert!(distrusted.contains("--ca"), "{distrusted}");
    }
}

#[test]
fn files_that_are_not_there_or_not_pem_are_told() {
    let identity = Identity::new();
    let (cert, key) = (identity.cert(), identity.key());
    let nowhere = identity.path("nowhere.pem");
    let nonsense = identity.path("nonsense.pem");
    fs::write(&nonsense, b"\xff-----BEGIN").expect("a file can be written");
    for file in [&nowhere, &nonsense] {
        for text in [refusal(file, &key), refusal(&cert, file)] {
            assert!(text.contains(file), "{text}");
        }
    }
    assert!(refusal(&key, &key).contains("no certificate in"));
    assert!(refusal(&cert, &cert).contains("no private key in"));
    let ca = complaint(&run(&["sub", "news", "--ca", &nowhere]));
    assert!(ca.contains(&nowhere), "{ca}");
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let (identity, other) = (Identity::new(), Identity::new());
    let text = refusal(&identity.cert(), &other.key());
    assert!(
        text.contains(&identity.cert()) && text.contains(&other.key()),
        "{text}"
    );
}

#[test]
fn one_of_the_two_files_is_not_enough() {
    for (given, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let text = complaint(&run(&["serve", given, "x.pem"]));
        assert!(text.contains(missing), "{text}");
    }
}
