//! Files are uploaded to the chosen destination, and to no other.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use clipdraw::backoff::Backoff;
use clipdraw::delivery::{
    AddressPolicy, Client, ClientConfig, ClientTimeouts, PolicyError, PrivateAddresses, SendError,
    UploadError, Uploader,
};
use wiremock::matchers::{body_bytes, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const AT_ONCE: Backoff = Backoff {
    first: Duration::ZERO,
    longest: Duration::ZERO,
    repeats: 3,
};

fn uploader(settings: ClientConfig, target: &str) -> Uploader {
    let client = Arc::new(Client::new(settings).unwrap());
    Uploader::to_folder(client, target.parse().unwrap()).with_backoff(AT_ONCE)
}

async fn put(uploader: &Uploader) -> Result<String, UploadError> {
    uploader
        .put("id-1", "out.0.svg", "image/svg+xml", "<svg/>".into())
        .await
}

async fn put_to(server: &MockServer) -> Result<String, UploadError> {
    put(&uploader(ClientConfig::default(), &server.uri())).await
}

/// Mounts an answer to the first requests, and success behind it.
async fn answer_first(server: &MockServer, answer: ResponseTemplate, times: u64) {
    Mock::given(method("PUT"))
        .respond_with(answer)
        .up_to_n_times(times)
        .mount(server)
        .await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(200))
        .mount(server)
        .await;
}

async fn count(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_file_is_put_raw_with_its_type_and_its_prediction() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path("/up/out.0.svg"))
        .and(query_param("sig", "1"))
        .and(body_bytes("<svg/>"))
        .and(header("content-type", "image/svg+xml"))
        .and(header("content-length", "6"))
        .and(header("x-prediction-id", "id-1"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let target = format!("{}/up?sig=1", server.uri());
    let url = put(&uploader(ClientConfig::default(), &target))
        .await
        .unwrap();
    assert_eq!(url, format!("{}/up/out.0.svg", server.uri()));
}

#[tokio::test]
async fn the_user_agent_is_the_configured_one() {
    let server = MockServer::start().await;
    answer_first(&server, ResponseTemplate::new(200), 1).await;
    let settings = ClientConfig {
        user_agent: Some("painter/1".to_owned()),
        ..ClientConfig::default()
    };
    put(&uploader(settings, &server.uri())).await.unwrap();
    put_to(&server).await.unwrap();
    let agents: Vec<_> = server.received_requests().await.unwrap();
    let agents: Vec<_> = agents.iter().map(user_agent).collect();
    assert_eq!(
        agents,
        ["painter/1", concat!("clipdraw/", env!("CARGO_PKG_VERSION"))]
    );
}

fn user_agent(request: &Request) -> &str {
    request.headers["user-agent"].to_str().unwrap()
}

#[tokio::test]
async fn the_location_of_the_response_is_the_url_of_the_file_without_its_query() {
    let cases = [
        (
            "https://cdn.example/a.svg?sig=1#top",
            "https://cdn.example/a.svg",
        ),
        ("/elsewhere/a.svg", "SERVER/elsewhere/a.svg"),
        ("a.svg", "SERVER/a.svg"),
    ];
    for (location, expected) in cases {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(201).insert_header("location", location);
        answer_first(&server, answer, 1).await;
        let url = put_to(&server).await.unwrap();
        assert_eq!(url, expected.replace("SERVER", &server.uri()));
    }
}

#[tokio::test]
async fn a_redirected_upload_sends_the_file_again() {
    for status in [301, 302, 307, 308] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("location", "/b?sig=1");
        answer_first(&server, answer, 1).await;
        let url = put_to(&server).await.unwrap();
        assert_eq!(url, format!("{}/b", server.uri()), "{status}");
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[1].body, b"<svg/>", "{status}");
        assert_eq!(requests[1].headers["x-prediction-id"], "id-1", "{status}");
    }
}

#[tokio::test]
async fn a_temporary_failure_is_retried() {
    for status in [429, 500, 502, 503, 504] {
        let server = MockServer::start().await;
        answer_first(&server, ResponseTemplate::new(status), 3).await;
        put_to(&server).await.unwrap();
        assert_eq!(count(&server).await, 4, "{status}");
    }
}

#[tokio::test]
async fn four_failures_are_final_and_have_cogs_message() {
    let server = MockServer::start().await;
    answer_first(&server, ResponseTemplate::new(500), 4).await;
    assert_eq!(
        put_to(&server).await.unwrap_err().to_string(),
        "Failed to upload output: upload returned status 500 Internal Server Error"
    );
    assert_eq!(count(&server).await, 4);
}

#[tokio::test]
async fn a_refusal_by_the_server_is_final() {
    for status in [303, 400, 403, 404, 413] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("location", "/b");
        answer_first(&server, answer, 1).await;
        let error = put_to(&server).await.unwrap_err();
        assert!(matches!(error, UploadError::Status(found) if found == status));
        assert_eq!(count(&server).await, 1, "{status}");
    }
}

#[tokio::test]
async fn an_endless_chain_of_redirects_ends() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("location", "/again");
    answer_first(&server, answer, 100).await;
    let error = put_to(&server).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to upload output: more than 5 redirects"
    );
    assert_eq!(count(&server).await, 6);
}

#[tokio::test]
async fn the_error_for_an_absent_server_has_the_reason_and_not_the_url() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/hush?sig=hush", closed.local_addr().unwrap());
    drop(closed);
    let error = put(&uploader(ClientConfig::default(), &target))
        .await
        .unwrap_err();
    assert!(matches!(error, UploadError::Send(SendError::Connection(_))));
    let shown = format!("{error} {error:?}");
    assert!(
        shown.starts_with("Failed to upload output: the connection failed: Connection refused")
    );
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = ClientConfig {
        timeouts: ClientTimeouts {
            upload: Duration::from_millis(20),
            ..ClientTimeouts::default()
        },
        ..ClientConfig::default()
    };
    let target = format!("http://{}/", silent.local_addr().unwrap());
    let error = put(&uploader(settings, &target)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to upload output: no answer in time"
    );
}

#[tokio::test]
async fn a_host_that_is_not_on_the_list_is_refused_before_and_after_a_redirect() {
    let server = MockServer::start().await;
    let other = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("location", other.uri());
    answer_first(&server, answer, 1).await;
    let only_server = || ClientConfig {
        policy: AddressPolicy {
            allowed_hosts: Some(vec![server.address().to_string().parse().unwrap()]),
            ..AddressPolicy::default()
        },
        ..ClientConfig::default()
    };
    for target in [other.uri(), server.uri()] {
        let error = put(&uploader(only_server(), &target)).await.unwrap_err();
        let UploadError::Send(SendError::Refused(PolicyError::Host { host, .. })) = error else {
            panic!("{error:?}");
        };
        assert_eq!(host, other.address().to_string());
    }
    assert_eq!(count(&other).await, 0);
}

#[tokio::test]
async fn a_host_name_of_this_machine_is_refused_if_private_addresses_are() {
    let server = MockServer::start().await;
    let settings = ClientConfig {
        policy: AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        },
        ..ClientConfig::default()
    };
    let target = format!("http://localhost:{}/", server.address().port());
    let error = put(&uploader(settings, &target)).await.unwrap_err();
    assert!(
        matches!(
            error,
            UploadError::Send(SendError::Refused(PolicyError::Private { .. }))
        ),
        "{error:?}"
    );
    assert_eq!(count(&server).await, 0);
}
