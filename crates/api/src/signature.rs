//! Does what arrived at a webhook come from who may send? Pure: a rule, headers and a body in, a verdict out.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use weir_model::config::{self, Algorithm, Encoding};
use weir_model::{Error, Kind};

/// How the senders of one webhook show that they may send, secrets put in. Cannot be printed.
pub enum Verify {
    /// A signature of the body (RFC 2104).
    Hmac {
        header: String,
        secret: String,
        algorithm: Algorithm,
        encoding: Encoding,
        /// Stands before the signature.
        prefix: String,
    },
    /// A header with a secret value.
    Header { name: String, value: String },
    /// Everybody may.
    None,
}

impl Verify {
    /// The rule of a route's file; `reveal` puts secrets into a text.
    pub fn new<E>(
        rule: &config::Verify,
        mut reveal: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<Verify, E> {
        Ok(match rule {
            config::Verify::Hmac(hmac) => Verify::Hmac {
                header: hmac.header.clone(),
                secret: reveal(&hmac.secret)?,
                algorithm: hmac.algorithm,
                encoding: hmac.encoding,
                prefix: hmac.prefix.clone().unwrap_or_default(),
            },
            config::Verify::Header(header) => Verify::Header {
                name: header.name.clone(),
                value: reveal(&header.value)?,
            },
            config::Verify::None => Verify::None,
        })
    }

    /// The header that shows it, which nobody else needs to see.
    pub(crate) fn header(&self) -> Option<&str> {
        match self {
            Verify::Hmac { header, .. } => Some(header),
            Verify::Header { name, .. } => Some(name),
            Verify::None => None,
        }
    }

    /// Error `unauthenticated`, with a sentence that tells the sender what is missing and nobody what would fit. Of
    /// several headers of the name one must fit: senders that change their secret sign with the old and the new one.
    pub(crate) fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
        let Some(name) = self.header() else {
            return Ok(());
        };
        let mut values = headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .peekable();
        if values.peek().is_none() {
            let message = format!("the header `{name}` is missing, which shows who sends");
            return Err(Error::new(Kind::Unauthenticated, message));
        }
        if values.any(|value| self.fits(value.trim(), body)) {
            return Ok(());
        }
        let what = match self {
            Verify::Hmac { .. } => "the signature in the header",
            _ => "the value of the header",
        };
        let message = format!("{what} `{name}` does not fit: do both sides have the same secret?");
        Err(Error::new(Kind::Unauthenticated, message))
    }

    fn fits(&self, value: &str, body: &[u8]) -> bool {
        match self {
            Verify::None => true,
            // Of hashes it tells nothing how long a comparison takes.
            Verify::Header { value: expected, .. } => Sha256::digest(value) == Sha256::digest(expected),
            Verify::Hmac {
                secret,
                algorithm,
                encoding,
                prefix,
                ..
            } => {
                let signature = value.strip_prefix(prefix.as_str());
                let signature = signature.and_then(|text| match encoding {
                    Encoding::Hex => unhex(text),
                    Encoding::Base64 => STANDARD.decode(text).ok(),
                });
                signature.is_some_and(|signature| is_signed(*algorithm, secret.as_bytes(), body, &signature))
            }
        }
    }
}

/// The comparison takes the same time wherever the two differ.
fn is_signed(algorithm: Algorithm, secret: &[u8], body: &[u8], signature: &[u8]) -> bool {
    macro_rules! verify {
        ($hash:ty) => {
            Hmac::<$hash>::new_from_slice(secret)
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
        };
    }
    match algorithm {
        Algorithm::Sha256 => verify!(Sha256),
        Algorithm::Sha1 => verify!(Sha1),
        Algorithm::Sha512 => verify!(Sha512),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    Some(pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// The example of GitHub's documentation ("Validating webhook deliveries"), and the same body and secret signed with
    /// `openssl dgst -ALGORITHM -hmac SECRET`.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &str = "Hello, World!";
    const SHA256: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    const SHA512_BASE64: &str =
        "Ee01WmF+mBNOhCASp5RMz1nBAlbLGCNXvX46QgE/8Hw3b4wUz1zBkj2iC1HWQlay+4678QCqZ6YTJvYf6oERvA==";

    fn hmac(algorithm: Algorithm, encoding: Encoding, prefix: &str) -> Verify {
        Verify::Hmac {
            header: "X-Signature".to_owned(),
            secret: SECRET.to_owned(),
            algorithm,
            encoding,
            prefix: prefix.to_owned(),
        }
    }

    fn verdict(rule: &Verify, headers: &[(&'static str, &str)], body: &str) -> Result<(), String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("a header"),
            );
        }
        rule.check(&map, body.as_bytes()).map_err(|error| {
            assert_eq!(error.kind, Kind::Unauthenticated);
            error.to_string()
        })
    }

    #[test]
    fn signatures_that_fit() {
        use Algorithm::{Sha1, Sha256, Sha512};
        use Encoding::{Base64, Hex};
        let prefixed = format!("sha256={SHA256}");
        for (algorithm, encoding, prefix, signature) in [
            (Sha256, Hex, "", SHA256),
            (Sha256, Hex, "", &SHA256.to_uppercase()),
            (Sha256, Hex, "sha256=", &prefixed),
            (Sha256, Base64, "", "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="),
            (Sha1, Hex, "", "01dc10d0c83e72ed246219cdd91669667fe2ca59"),
            (Sha512, Base64, "", SHA512_BASE64),
        ] {
            let rule = hmac(algorithm, encoding, prefix);
            assert_eq!(
                verdict(&rule, &[("x-signature", signature)], BODY),
                Ok(()),
                "{algorithm:?} {signature}"
            );
        }
        let two = [("x-signature", "00"), ("x-signature", SHA256)];
        assert_eq!(verdict(&hmac(Sha256, Hex, ""), &two, BODY), Ok(()), "one of two");
    }

    #[test]
    fn signatures_that_do_not_fit() {
        let rule = hmac(Algorithm::Sha256, Encoding::Hex, "");
        let prefixed = hmac(Algorithm::Sha256, Encoding::Hex, "sha256=");
        let shorter = &SHA256[..62];
        let odd = &SHA256[..63];
        for (rule, signature, body) in [
            (&rule, SHA256, "Hello, World"),
            (&rule, shorter, BODY),
            (&rule, odd, BODY),
            (&rule, "", BODY),
            (&rule, "zz", BODY),
            (&rule, "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=", BODY),
            (&prefixed, SHA256, BODY),
        ] {
            let said = verdict(rule, &[("x-signature", signature)], body);
            assert!(
                said.as_ref().is_err_and(|said| said.contains("does not fit")),
                "{signature}: {said:?}"
            );
        }
        let missing = verdict(&rule, &[("x-other", SHA256)], BODY);
        assert!(missing.is_err_and(|said| said.contains("`X-Signature` is missing")));
    }

    #[test]
    fn headers_with_a_value_and_no_rule_at_all() {
        let rule = Verify::Header {
            name: "Authorization".to_owned(),
            value: "Bearer s3cret".to_owned(),
        };
        assert_eq!(verdict(&rule, &[("authorization", "Bearer s3cret")], ""), Ok(()));
        for wrong in ["Bearer s3cre", "Bearer s3cretz", "bearer s3cret", ""] {
            let said = verdict(&rule, &[("authorization", wrong)], "");
            assert!(said.is_err_and(|said| !said.contains("s3cret")), "{wrong}");
        }
        assert!(verdict(&rule, &[], "").is_err());
        assert_eq!(verdict(&Verify::None, &[], BODY), Ok(()));
    }
}
