//! Who is compared, each in the quickest configuration that its documentation gives.

use super::peer::{Peer, Publish, Route, Version};
use crate::transport::Transport::{Comet, Ndjson, Sse, Ws};

const LIVE: &[Route] = &[
    Route::new(Ws, "/live/{channel}?transport=ws"),
    Route::new(Sse, "/live/{channel}?transport=sse"),
    Route::new(Comet, "/live/{channel}?callback=parent.push"),
    Route::new(Ndjson, "/live/{channel}?transport=ndjson"),
];

const BUILD_APP: &[&[&str]] = &[&["cargo", "build", "--release", "--package", "encke-bench"]];

const BUILD_RUST: &[&[&str]] = &[&[
    "cargo",
    "build",
    "--release",
    "--locked",
    "--manifest-path",
    "{bench}/peers/rust/Cargo.toml",
    "--target-dir",
    "{out}/rust",
]];

const BUILD_SECURE: &[&[&str]] = &[
    &["cargo", "build", "--release", "--package", "encke-server"],
    &["mkdir", "-p", "{out}/tls"],
    &[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "{out}/tls/key.pem",
        "-out",
        "{out}/tls/cert.pem",
    ],
];

const SERVE_SECURE: &[&str] = &[
    "{target}/release/encke",
    "serve",
    "--listen",
    "127.0.0.1:{port}",
    "--tls-cert",
    "{out}/tls/cert.pem",
    "--tls-key",
    "{out}/tls/key.pem",
];

/// What is left out of most of them.
const PEER: Peer = Peer {
    name: "",
    title: "",
    version: Version::Commit,
    build: &[],
    installed: None,
    files: &[],
    program: &[],
    environment: &[],
    client: &[],
    routes: &[],
    publish: Publish::at("/publish/{channel}"),
    recover: None,
    echo: None,
    warm_up: None,
    ours: false,
};

pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "encke",
        title: "encke",
        build: &[&["cargo", "build", "--release", "--package", "encke-server"]],
        program: &[
            "{target}/release/encke",
            "serve",
            "--listen",
            "127.0.0.1:{port}",
        ],
        routes: LIVE,
        publish: Publish::at("/live/{channel}"),
        recover: Some("&since={epoch}:{offset}"),
        ours: true,
        ..PEER
    },
    Peer {
        name: "encke-app",
        title: "encke, in an application",
        build: BUILD_APP,
        program: &["{target}/release/encke-app", "{port}"],
        echo: Some("/echo"),
        ..PEER
    },
    Peer {
        name: "encke-body",
        title: "encke, under `axum::serve`",
        build: BUILD_APP,
        program: &["{target}/release/encke-app", "{port}", "--axum"],
        routes: LIVE,
        publish: Publish::at("/live/{channel}"),
        echo: Some("/echo"),
        ..PEER
    },
    Peer {
        name: "encke-http",
        title: "encke, `--shards 0`",
        build: &[&["cargo", "build", "--release", "--package", "encke-server"]],
        program: &[
            "{target}/release/encke",
            "serve",
            "--listen",
            "127.0.0.1:{port}",
            "--shards",
            "0",
        ],
        routes: LIVE,
        publish: Publish::at("/live/{channel}"),
        ..PEER
    },
    Peer {
        name: "encke-tls",
        title: "encke, over TLS",
        build: BUILD_SECURE,
        program: SERVE_SECURE,
        client: &["--ca", "{out}/tls/cert.pem"],
        routes: LIVE,
        publish: Publish::at("/live/{channel}"),
        ..PEER
    },
    Peer {
        name: "encke-http2",
        title: "encke, over HTTP/2, 100 streams a connection",
        build: BUILD_SECURE,
        program: SERVE_SECURE,
        client: &["--ca", "{out}/tls/cert.pem", "--http2", "100"],
        routes: &[
            Route::new(Sse, "/live/{channel}?transport=sse"),
            Route::new(Comet, "/live/{channel}?callback=parent.push"),
            Route::new(Ndjson, "/live/{channel}?transport=ndjson"),
        ],
        publish: Publish::at("/live/{channel}"),
        ..PEER
    },
    Peer {
        name: "axum",
        title: "axum",
        version: AXUM,
        build: BUILD_RUST,
        program: &["{out}/rust/release/axum", "{port}"],
        routes: &[
            Route::new(Ws, "/ws/{channel}"),
            Route::new(Sse, "/sse/{channel}"),
            Route::new(Comet, "/comet/{channel}"),
        ],
        echo: Some("/echo"),
        ..PEER
    },
    Peer {
        name: "axum-4k",
        title: "axum, `read_buffer_size(4096)`",
        version: AXUM,
        build: BUILD_RUST,
        program: &["{out}/rust/release/axum", "{port}"],
        environment: &[("READ_BUFFER", "4096")],
        routes: &[Route::new(Ws, "/ws/{channel}")],
        echo: Some("/echo"),
        ..PEER
    },
    Peer {
        name: "fastwebsockets",
        title: "fastwebsockets",
        version: Version::InFile(
            "{bench}/peers/rust/Cargo.lock",
            "name = \"fastwebsockets\"\nversion = \"",
        ),
        build: BUILD_RUST,
        program: &["{out}/rust/release/fastwebsockets", "{port}"],
        routes: &[Route::new(Ws, "/ws/{channel}")],
        echo: Some("/echo"),
        ..PEER
    },
    Peer {
        name: "node-ws",
        title: "npm ws, frames made once",
        version: Version::InFile("{bench}/peers/node-ws/package.json", "\"ws\": \""),
        files: &[
            (
                "{bench}/peers/node-ws/package.json",
                "{out}/node-ws/package.json",
            ),
            ("{bench}/peers/node-ws/server.js", "{out}/node-ws/server.js"),
        ],
        build: &[&["npm", "install", "--silent", "--prefix", "{out}/node-ws"]],
        program: &["node", "{out}/node-ws/server.js", "{port}"],
        routes: &[
            Route::new(Ws, "/ws/{channel}"),
            Route::new(Sse, "/sse/{channel}"),
        ],
        echo: Some("/echo"),
        warm_up: Some("1"),
        ..PEER
    },
    Peer {
        name: "nchan",
        title: "nginx + nchan",
        version: Version::Printed(&[
            "dpkg-query",
            "--show",
            "--showformat=${Version}",
            "libnginx-mod-nchan",
        ]),
        installed: Some((
            "/usr/lib/nginx/modules/ngx_nchan_module.so",
            "nginx-core libnginx-mod-nchan",
        )),
        files: &[("{bench}/peers/nchan/nginx.conf", "{out}/nchan/nginx.conf")],
        program: &["nginx", "-c", "{out}/nchan/nginx.conf"],
        routes: &[
            Route::new(Ws, "/live/{channel}"),
            Route::new(Sse, "/live/{channel}"),
            // Its chunked stream is neither HTML nor NDJSON; it stands for both.
            Route {
                headers: &["TE: chunked"],
                ..Route::new(Comet, "/live/{channel}")
            },
        ],
        ..PEER
    },
    Peer {
        name: "centrifugo",
        title: "Centrifugo",
        version: Version::Named("6.9.1"),
        files: &[(
            "{bench}/peers/centrifugo/config.json",
            "{out}/centrifugo/config.json",
        )],
        build: &[&[
            "env",
            "GOBIN={out}/centrifugo",
            "go",
            "install",
            "github.com/centrifugal/centrifugo/v6@v6.9.1",
        ]],
        program: &[
            "{out}/centrifugo/centrifugo",
            "--config={out}/centrifugo/config.json",
        ],
        routes: &[
            Route {
                hello: Some(r#"{"subs":{"{channel}":{}}}"#),
                ..Route::new(Ws, "/connection/uni_websocket")
            },
            Route::new(
                Sse,
                "/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22{channel}%22%3A%7B%7D%7D%7D",
            ),
        ],
        publish: Publish {
            path: "/api/publish",
            headers: &["Content-Type: application/json"],
            body: r#"{"channel":"{channel}","data":"{}"}"#,
        },
        ..PEER
    },
    Peer {
        name: "play",
        title: "Play",
        version: Version::InFile("{bench}/peers/play/pom.xml", "<play.version>"),
        build: &[&[
            "mvn",
            "--quiet",
            "--batch-mode",
            "--file={bench}/peers/play/pom.xml",
            "-Dout={out}/play",
            "package",
        ]],
        program: &[
            "java",
            "-cp",
            "{out}/play/classes:{out}/play/lib/*",
            "Peer",
            "{port}",
        ],
        routes: &[
            Route::new(Comet, "/comet/{channel}"),
            Route::new(Sse, "/sse/{channel}"),
        ],
        warm_up: Some("30"),
        ..PEER
    },
];

const AXUM: Version = Version::InFile(
    "{bench}/peers/rust/Cargo.lock",
    "name = \"axum\"\nversion = \"",
);
