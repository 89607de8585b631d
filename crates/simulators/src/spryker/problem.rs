//! The errors of the Data Exchange API: code, status, and a sentence in English or German. The
//! sentences are ours and follow only the documented patterns (which names stand in back-ticks); a
//! connector must go by the code.

use std::fmt;

use super::Profile;
use super::cell::write_text;

/// Language of the messages, from `Accept-Language`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    pub(crate) fn of(header: Option<&str>) -> Self {
        match header {
            Some(text) if text.trim_start().to_ascii_lowercase().starts_with("de") => Self::German,
            _ => Self::English,
        }
    }
}

/// One entry of an error list.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
        }
    }

    /// The order of the list that is a whole body.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"message\":");
        write_text(&self.message, out);
        out.extend_from_slice(format!(",\"status\":{}", self.status).as_bytes());
        if !self.code.is_empty() {
            out.extend_from_slice(format!(",\"code\":\"{}\"", self.code).as_bytes());
        }
        out.push(b'}');
    }

    /// The other order, inside `errors` of a body with single transactions.
    pub(crate) fn write_in_errors(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!(
                "{{\"code\":\"{}\",\"status\":{},\"message\":",
                self.code, self.status
            )
            .as_bytes(),
        );
        write_text(&self.message, out);
        out.push(b'}');
    }
}

/// Where in the request something stands: `countries[1].tax-rates[0]`.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    pub(crate) parent: Option<&'a Path<'a>>,
    pub(crate) resource: &'a str,
    pub(crate) index: usize,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}.")?;
        }
        write!(formatter, "{}[{}]", self.resource, self.index)
    }
}

/// Makes problems in one language and profile.
#[derive(Clone, Copy)]
pub(crate) struct Problems {
    pub(crate) language: Language,
    pub(crate) profile: Profile,
}

impl Problems {
    fn say(self, code: &'static str, status: u16, english: String, german: String) -> Problem {
        Problem {
            code,
            status,
            message: match self.language {
                Language::English => english,
                Language::German => german,
            },
        }
    }

    pub(crate) fn not_found(self) -> Problem {
        self.say("007", 404, "Not found".into(), "Nicht gefunden".into())
    }

    pub(crate) fn data_format(self) -> Problem {
        self.say(
            "1301",
            400,
            "Invalid or missing data format. The request must hold a `data` field.".into(),
            "Ungültiges oder fehlendes Datenformat. Die Anfrage braucht ein Feld `data`.".into(),
        )
    }

    /// The database refused for a reason that the API does not classify.
    pub(crate) fn not_persisted(self, path: &Path<'_>) -> Problem {
        let status = match self.profile {
            Profile::Doc2024 => 400,
            Profile::Code2026 => 500,
        };
        self.say(
            "1302",
            status,
            format!(
                "Failed to persist the data for `{path}`. Please verify the provided data and try again."
            ),
            format!(
                "Die Daten für `{path}` konnten nicht gespeichert werden. Bitte prüfen und erneut versuchen."
            ),
        )
    }

    /// A violated not-null column has no entry in the error table of the newest code.
    pub(crate) fn not_null(self, path: &Path<'_>) -> Problem {
        match self.profile {
            Profile::Doc2024 => self.not_persisted(path),
            Profile::Code2026 => Problem::new("", 500, "Internal server error"),
        }
    }

    pub(crate) fn entity_missing(self, path: &Path<'_>) -> Problem {
        self.say(
            "1303",
            404,
            format!("The entity `{path}` could not be found in the database."),
            format!("Die Entität `{path}` wurde in der Datenbank nicht gefunden."),
        )
    }

    pub(crate) fn immutable(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1304",
            400,
            format!("Modification of immutable field `{path}.{field}` is prohibited."),
            format!("Das unveränderliche Feld `{path}.{field}` darf nicht geändert werden."),
        )
    }

    pub(crate) fn wrong_type(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1305",
            400,
            format!("Invalid data type `{path}` for field `{field}`"),
            format!("Ungültiger Datentyp `{path}` für das Feld `{field}`"),
        )
    }

    pub(crate) fn wrong_value(self, path: &Path<'_>, field: &str, rules: &str) -> Problem {
        self.say(
            "1306",
            400,
            format!("Invalid data value `{path}` for field: `{field}`. Field rules: {rules}"),
            format!("Ungültiger Wert `{path}` für das Feld: `{field}`. Regeln des Feldes: {rules}"),
        )
    }

    pub(crate) fn required(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1307",
            400,
            format!("The required field must not be empty. Field: `{path}.{field}`"),
            format!("Das Pflichtfeld darf nicht leer sein. Feld: `{path}.{field}`"),
        )
    }

    pub(crate) fn not_creatable(self, path: &Path<'_>, id: &str, value: &str) -> Problem {
        self.say(
            "1308",
            400,
            format!("Entity `{path}.{id}: {value}` not found by identifier, and new identifier can not be persisted."),
            format!("Entität `{path}.{id}: {value}` nicht gefunden, und ein neuer Bezeichner kann nicht gespeichert werden."),
        )
    }

    pub(crate) fn duplicate(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1309",
            400,
            format!("Failed to persist the data for `{path}.{field}`. Entry is duplicated."),
            format!("Die Daten für `{path}.{field}` wurden nicht gespeichert. Der Eintrag ist doppelt."),
        )
    }

    pub(crate) fn no_identifier(self, path: &Path<'_>) -> Problem {
        self.say(
            "1310",
            400,
            format!("Incomplete Request - missing identifier for `{path}`"),
            format!("Unvollständige Anfrage - der Bezeichner für `{path}` fehlt"),
        )
    }

    pub(crate) fn unknown_field(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1311",
            400,
            format!("The provided `{path}.{field}` is incorrect or invalid."),
            format!("Die Angabe `{path}.{field}` ist falsch oder ungültig."),
        )
    }

    pub(crate) fn unknown_relation(self, name: &str) -> Problem {
        self.say(
            "1313",
            400,
            format!("Relation `{name}` not found. Please check the requested relation name and try again."),
            format!("Die Beziehung `{name}` wurde nicht gefunden. Bitte den Namen prüfen."),
        )
    }

    pub(crate) fn fixed_relation(self, name: &str) -> Problem {
        self.say(
            "1314",
            422,
            format!("The relationship `{name}` is not editable by configuration."),
            format!("Die Beziehung `{name}` ist laut Konfiguration nicht änderbar."),
        )
    }

    pub(crate) fn unknown_filter(self, field: &str, resource: &str) -> Problem {
        self.say(
            "1315",
            400,
            format!("Filter field `{field}` for table alias `{resource}` not found."),
            format!("Das Filterfeld `{field}` der Tabelle `{resource}` wurde nicht gefunden."),
        )
    }

    pub(crate) fn url(self, path: &Path<'_>, field: &str) -> Problem {
        self.say(
            "1316",
            400,
            format!("The URL is invalid. `{path}` field `{field}` must hold a relative URL that starts with a slash."),
            format!("Die URL ist ungültig. `{path}` Feld `{field}` braucht eine relative URL mit führendem Schrägstrich."),
        )
    }

    pub(crate) fn has_children(self, id: &str, value: &str, child: &str) -> Problem {
        self.say(
            "1317",
            400,
            format!("Failed to delete the data for `{id} = {value}`. The entity has a child entity and can not be deleted. Child entity: `{child}`"),
            format!("Die Daten für `{id} = {value}` wurden nicht gelöscht, denn es gibt abhängige. Abhängige Entität: `{child}`"),
        )
    }

    pub(crate) fn not_deletable(self, resource: &str) -> Problem {
        self.say(
            "1318",
            405,
            format!("Method not allowed for the entity `{resource}`."),
            format!("Diese Methode ist für die Entität `{resource}` nicht erlaubt."),
        )
    }
}
