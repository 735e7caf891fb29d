//! Tokens as an API server gives them whose clock is another one.

use std::fs;

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::Value;

use super::{Account, ControlPlane, authority::token_key};

/// Bytes of each of the two numbers that a P-256 signature is.
const NUMBER: usize = 32;

impl ControlPlane {
    /// A token of an account that is there, issued by a clock that is `ahead` seconds ahead of this machine's: not
    /// valid yet for as long. Behind by more than an hour it is expired.
    pub fn token_by_clock(&self, of: Account<'_>, ahead: i64) -> Result<String> {
        let real = self.token(of)?;
        let mut parts = real.split('.');
        let (header, payload) = parts.next().zip(parts.next()).context("no token")?;
        let mut claims: Value = serde_json::from_slice(&decode(payload)?)?;
        for name in ["iat", "nbf", "exp"] {
            let time = claims[name].as_i64().with_context(|| format!("a token without {name}"))?;
            claims[name] = (time + ahead).into();
        }
        let signed = format!("{header}.{}", encode(claims.to_string().into_bytes())?);
        let key = KeyPair::from_pem(&fs::read_to_string(token_key(self.dir()))?)?;
        let signature = two_numbers(&key.sign(signed.as_bytes())?).context("a signature")?;
        Ok(format!("{signed}.{}", encode(signature)?))
    }
}

/// From a DER sequence of two integers to what tokens have: both numbers at their full length.
fn two_numbers(der: &[u8]) -> Option<Vec<u8>> {
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let mut raw = Vec::with_capacity(2 * NUMBER);
    for _ in 0..2 {
        let length = usize::from(*rest.strip_prefix(&[0x02])?.first()?);
        let number = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        raw.extend(std::iter::repeat_n(0, NUMBER.checked_sub(number.len())?));
        raw.extend(number);
    }
    Some(raw)
}

/// Base64 as tokens have it.
fn encode(bytes: Vec<u8>) -> Result<String> {
    let json = serde_json::to_string(&ByteString(bytes))?;
    Ok(json.trim_matches('"').trim_end_matches('=').replace('+', "-").replace('/', "_"))
}

fn decode(text: &str) -> Result<Vec<u8>> {
    let padding = "=".repeat(text.len().wrapping_neg() % 4);
    let standard = text.replace('-', "+").replace('_', "/") + &padding;
    let ByteString(bytes) = serde_json::from_value(Value::String(standard))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_have_both_numbers_at_full_length() {
        let der = |r: &[u8], s: &[u8]| {
            let mut der = vec![0x30, u8::try_from(4 + r.len() + s.len()).unwrap()];
            for number in [r, s] {
                der.extend([0x02, u8::try_from(number.len()).unwrap()]);
                der.extend(number);
            }
            der
        };
        let with_sign = [&[0][..], &[0xff; 32]].concat();
        let raw = two_numbers(&der(&with_sign, &[7])).unwrap();
        assert_eq!(raw, [&[0xff; 32][..], &[0; 31], &[7]].concat());
        for bad in [&[][..], &[0x30, 0], &der(&[1; 34], &[1])[..], &der(&[1], &[1])[..7]] {
            assert_eq!(two_numbers(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_goes_there_and_back() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0xfb, 0xef, 0xff]] {
            let text = encode(bytes.to_vec()).unwrap();
            assert!(!text.contains(['+', '/', '=']), "{text}");
            assert_eq!(decode(&text).unwrap(), bytes, "{text}");
        }
    }
}
