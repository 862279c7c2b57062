//! What the layer adds to responses.

use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header::X_FRAME_OPTIONS},
    response::IntoResponse,
    routing::get,
};
use encke::{Comet, CspNonce, SameOriginFrame, SecurityHeaders};
use futures_util::stream;
use tower::ServiceExt;

async fn get_from(app: Router) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(bytes.into()).unwrap(),
    )
}

fn plain() -> Router {
    Router::new().route("/", get(async || "kiki"))
}

fn comet() -> Router {
    let handler = async |nonce: CspNonce| {
        let comet = Comet::new("parent.cometMessage").unwrap();
        comet.string(stream::iter(["kiki"])).nonce(nonce)
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn page_cannot_be_framed_or_sniffed() {
    let (_, headers, _) = get_from(plain().layer(SecurityHeaders::default())).await;
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(
        headers["referrer-policy"],
        "strict-origin-when-cross-origin"
    );
    assert_eq!(headers["x-frame-options"], "DENY");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'self'; script-src 'self' 'nonce-"),
        "{policy}"
    );
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn comet_can_be_framed_by_its_origin_and_carries_the_nonce() {
    let (_, headers, body) = get_from(comet().layer(SecurityHeaders::default())).await;
    assert_eq!(headers["x-frame-options"], "SAMEORIGIN");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("; frame-ancestors 'self'"), "{policy}");
    let (_, after) = policy.split_once("'nonce-").unwrap();
    let (nonce, _) = after.split_once('\'').unwrap();
    assert_eq!(nonce.len(), 24, "16 bytes as base64: {nonce}");
    let script = format!("<script nonce=\"{nonce}\">");
    assert_eq!(
        body.matches("<script").count(),
        body.matches(&script).count()
    );
    assert_eq!(body.matches("<script").count(), 2);
}

#[tokio::test]
async fn nonce_is_fresh_for_every_response() {
    let app = plain().layer(SecurityHeaders::default());
    let (_, first, _) = get_from(app.clone()).await;
    let (_, second, _) = get_from(app).await;
    assert_ne!(
        first["content-security-policy"],
        second["content-security-policy"]
    );
}

#[tokio::test]
async fn response_the_handler_marks_can_be_framed_by_its_origin() {
    let handler = async || (Extension(SameOriginFrame), "kiki").into_response();
    let app = Router::new()
        .route("/", get(handler))
        .layer(SecurityHeaders::default());
    assert_eq!(get_from(app).await.1["x-frame-options"], "SAMEORIGIN");
}

#[tokio::test]
async fn headers_of_the_handler_win() {
    let handler = async || ([(X_FRAME_OPTIONS, "SAMEORIGIN")], "kiki");
    let app = Router::new()
        .route("/", get(handler))
        .layer(SecurityHeaders::default());
    let (_, headers, _) = get_from(app).await;
    assert_eq!(
        headers
            .get_all("x-frame-options")
            .iter()
            .collect::<Vec<_>>(),
        ["SAMEORIGIN"]
    );
}

#[tokio::test]
async fn policy_is_the_applications() {
    let layer = SecurityHeaders::default()
        .content_security_policy("script-src 'none'")
        .unwrap();
    let (_, headers, _) = get_from(plain().layer(layer)).await;
    assert_eq!(
        headers["content-security-policy"],
        "script-src 'none'; frame-ancestors 'none'"
    );

    let layer = SecurityHeaders::default().no_content_security_policy();
    let (_, headers, _) = get_from(plain().layer(layer)).await;
    assert!(!headers.contains_key("content-security-policy"));
    assert_eq!(headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn handler_without_the_layer_is_told_that_it_is_missing() {
    let (status, _, body) = get_from(comet()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("SecurityHeaders"), "{body}");
}
