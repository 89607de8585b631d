//! The key that secrets are encrypted with. It lies beside the store, so a copy of the store alone reveals nothing.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Generate as _, Key, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use weir_model::{Error, Kind};

const FILE: &str = "data.key";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Encrypts and decrypts with XChaCha20-Poly1305. Cannot be printed.
pub struct DataKey {
    cipher: XChaCha20Poly1305,
}

impl DataKey {
    /// The key file of a data folder; made with mode 0600 where there is none. Refuses a file that others may read.
    pub fn open(folder: &Path) -> Result<DataKey, Error> {
        let path = folder.join(FILE);
        let complain = |what: &str, error: std::io::Error| {
            Error::new(
                Kind::Configuration,
                format!("could not {what} the key file {}", path.display()),
            )
            .source(error)
        };
        match File::open(&path) {
            Ok(mut file) => {
                let mode = file
                    .metadata()
                    .map_err(|e| complain("look at", e))?
                    .permissions()
                    .mode();
                if mode & 0o077 != 0 {
                    let message = format!(
                        "others may read the key file {}: `chmod 600` it, and change the secrets if somebody did",
                        path.display()
                    );
                    return Err(Error::new(Kind::Configuration, message));
                }
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(|e| complain("read", e))?;
                DataKey::from_text(text.trim())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = Key::<XChaCha20Poly1305>::generate();
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(|e| complain("make", e))?;
                writeln!(file, "{}", STANDARD.encode(key.as_slice())).map_err(|e| complain("write", e))?;
                file.sync_all().map_err(|e| complain("write", e))?;
                Ok(DataKey {
                    cipher: XChaCha20Poly1305::new(&key),
                })
            }
            Err(error) => Err(complain("read", error)),
        }
    }

    /// From base64 of 32 bytes.
    pub fn from_text(text: &str) -> Result<DataKey, Error> {
        let bytes = STANDARD
            .decode(text)
            .ok()
            .filter(|bytes| bytes.len() == KEY_BYTES)
            .ok_or_else(|| {
                Error::new(
                    Kind::Configuration,
                    format!("the data key is not base64 of {KEY_BYTES} bytes"),
                )
            })?;
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes)
            .map_err(|_| Error::bug("a key of the right length was refused"))?;
        Ok(DataKey { cipher })
    }

    /// Base64 of nonce and ciphertext; `place` (collection and name) is bound to it, so that a stored value cannot be
    /// moved to another name.
    pub fn encrypt(&self, place: &str, plain: &str) -> Result<String, Error> {
        let nonce = XNonce::generate();
        let payload = Payload {
            msg: plain.as_bytes(),
            aad: place.as_bytes(),
        };
        let cipher = self
            .cipher
            .encrypt(&nonce, payload)
            .map_err(|_| Error::bug("encrypting a secret failed"))?;
        Ok(STANDARD.encode([nonce.as_slice(), &cipher].concat()))
    }

    pub fn decrypt(&self, place: &str, text: &str) -> Result<String, Error> {
        let wrong = || {
            Error::new(
                Kind::Configuration,
                format!(
                    "`{place}` was encrypted with another key: bring back the old key file, or enter the secret again"
                ),
            )
        };
        let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
        if bytes.len() < NONCE_BYTES {
            return Err(wrong());
        }
        let (nonce, cipher) = bytes.split_at(NONCE_BYTES);
        let nonce = XNonce::try_from(nonce).map_err(|_| wrong())?;
        let payload = Payload {
            msg: cipher,
            aad: place.as_bytes(),
        };
        let plain = self.cipher.decrypt(&nonce, payload).map_err(|_| wrong())?;
        String::from_utf8(plain).map_err(|_| wrong())
    }
}
