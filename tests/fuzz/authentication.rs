//! Authentication of webhooks: signatures, passwords and timestamps in headers.

use std::cell::RefCell;

use crate::engine::Target;
use crate::posts::{Hall, request};

const METHODS: [&str; 6] = [
    "{ hmac_sha256 = \"s3cr3t-of-the-fuzz\", header = \"x-signature\", prefix = \"sha256=\" }",
    "{ hmac_sha256 = \"s3cr3t-of-the-fuzz\", header = \"x-signature\", encoding = \"base64\" }",
    "{ standard_webhooks = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\" }",
    "{ basic = { user = \"u\", password = \"s3cr3t-of-the-fuzz\" } }",
    "{ bearer = \"s3cr3t-of-the-fuzz\" }",
    "{ token = \"s3cr3t-of-the-fuzz\", header = \"x-token\" }",
];

/// No input has a secret, so every one is refused.
#[test]
fn authentication() {
    let halls: Vec<_> =
        METHODS.iter().map(|method| RefCell::new(Hall::new("webhook", &format!("verify = {method}")))).collect();
    let corpus = [
        "x-signature: sha256=08b9ada74d4b15cb03dc485ca57f9832f630dc3bc7b4d523225b309754a4e7e8\n\n{}",
        "x-signature: Zm9vYmFy\n\n{}",
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\nwebhook-timestamp: 1614265330\nwebhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x\n\n{\"test\": 2432232314}",
        "svix-id: a\nsvix-timestamp: 99999999999\nsvix-signature: v1,\n\n{}",
        "authorization: Basic dTpzM2NyM3Q=\n\n{}",
        "authorization: bearer s3cr3t-of-the-fuz\nx-token: s3cr3t\n\n{}",
    ];
    let words = &[
        "x-signature: ",
        "sha256=",
        "webhook-id: ",
        "webhook-timestamp: ",
        "webhook-signature: ",
        "v1,",
        " v1,",
        "svix-signature: ",
        "authorization: ",
        "Basic ",
        "Bearer ",
        "x-token: ",
        "\n",
        "=",
        "==",
        "Og==",
        ":",
        " ",
        ",",
    ];
    let corpus = corpus.map(|post| post.as_bytes().to_vec()).to_vec();
    Target { name: "authentication", corpus, words, longest: 1 << 12 }.fuzz(|bytes| {
        let request = request(bytes);
        let answers: Vec<_> = halls.iter().map(|hall| hall.borrow_mut().post(request.clone())).collect();
        assert!(answers.iter().all(|answer| answer.starts_with("401")), "{answers:?}");
        answers
    });
}
