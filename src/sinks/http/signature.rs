//! Signatures of Standard Webhooks: <https://www.standardwebhooks.com>

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use sha2::Sha256;

pub(super) struct SigningKey(Vec<u8>);

/// The key and, while receivers are migrated, the one before it.
#[derive(Debug)]
pub(super) struct SigningKeys {
    pub new: SigningKey,
    pub old: Option<SigningKey>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// `whsec_` and the key in Base64. Some vendors print it without the prefix.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    fn signature(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl SigningKeys {
    /// The three headers of one attempt.
    pub(super) fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Option<[(HeaderName, HeaderValue); 3]> {
        let seconds = now.as_second();
        let keys = self.old.iter().chain([&self.new]);
        let signatures: Vec<String> = keys.map(|key| key.signature(id, seconds, body)).collect();
        Some([
            (HeaderName::from_static("webhook-id"), HeaderValue::try_from(id).ok()?),
            (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds)),
            (HeaderName::from_static("webhook-signature"), HeaderValue::try_from(signatures.join(" ")).ok()?),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(old: Option<&str>, id: &str, seconds: i64, body: &str) -> String {
        let key = |text| SigningKey::parse(text).expect("a key");
        let keys = SigningKeys { new: key(SECRET), old: old.map(key) };
        let now = Timestamp::from_second(seconds).expect("a time");
        let [(_, sent), (_, time), (_, signature)] = keys.sign(id, now, body.as_bytes()).expect("signed");
        assert_eq!((sent.to_str().expect("text"), time.to_str().expect("text")), (id, &*seconds.to_string()));
        signature.to_str().expect("text").to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(None, id, 1_614_265_330, body), published);
        let old = "whsec_YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMtbGVuISE=";
        assert_eq!(
            signed(Some(old), id, 1_614_265_330, body),
            format!("v1,wN0e/o9g+TbhzkFuMONZiKp27c9mu1mGvk7E9XFznLk= {published}")
        );
        let body = r#"{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}"#;
        assert_eq!(
            signed(None, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", 1_674_087_231, body),
            "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="
        );
    }

    #[test]
    fn an_invalid_key_is_refused_and_a_key_is_not_printed() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"] {
            assert!(SigningKey::parse(bad).is_none(), "{bad}");
        }
        assert!(SigningKey::parse(&format!("whsec_{}", BASE64_STANDARD.encode([7; 65]))).is_none());
        assert_eq!(format!("{:?}", SigningKey::parse(SECRET)), "Some(SigningKey(…))");
        assert!(SigningKey::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_some());
    }
}
