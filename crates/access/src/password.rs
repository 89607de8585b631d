//! Passwords, as argon2id hashes.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use weir_model::{Error, Kind};

/// As the guidelines of NIST ask: length, nothing else.
pub(crate) const CHARACTERS_MIN: usize = 12;
const CHARACTERS_MAX: usize = 256;

/// A PHC string with a salt of its own. Takes about 20 ms of a core on purpose, so off the threads that serve.
pub(crate) async fn hash(password: String) -> Result<String, Error> {
    let length = password.chars().count();
    if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&length) {
        let message = format!(
            "a password has between {CHARACTERS_MIN} and {CHARACTERS_MAX} characters, this one has {length}"
        );
        return Err(Error::new(Kind::Invalid, message).with("field", "password"));
    }
    blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| Error::bug("hashing a password failed").source(error))
    })
    .await
}

/// Costs the same whether there is a hash or not, so that the time does not tell who exists.
pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<bool, Error> {
    if password.chars().count() > CHARACTERS_MAX {
        return Ok(false);
    }
    blocking(move || {
        let Some(hash) = hash else {
            let _ = Argon2::default().hash_password(password.as_bytes());
            return Ok(false);
        };
        let hash = PasswordHash::new(&hash)
            .map_err(|error| Error::bug("a stored password hash cannot be read").source(error))?;
        Ok(Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::bug("the password thread ended early").source(error))?
}
