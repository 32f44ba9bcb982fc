//! The two notations of a document.

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
}

impl Format {
    /// By the `Content-Type` of a request; `None`: neither.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" | "application/openapi+json" | "application/vnd.oai.openapi+json" => {
                Some(Self::Json)
            }
            "application/yaml"
            | "application/x-yaml"
            | "text/yaml"
            | "text/x-yaml"
            | "application/openapi+yaml"
            | "application/vnd.oai.openapi"
            | "application/vnd.oai.openapi+yaml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// By the name of a file: JSON if it ends so, else YAML.
    pub fn of_path(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, ending)) if ending.eq_ignore_ascii_case("json") => Self::Json,
            _ => Self::Yaml,
        }
    }

    /// The name that it is kept by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notation_is_told_by_media_type_or_file() {
        assert_eq!(Format::of_media_type("Application/JSON; charset=utf-8"), Some(Format::Json));
        assert_eq!(Format::of_media_type("application/yaml"), Some(Format::Yaml));
        assert_eq!(Format::of_media_type("application/vnd.oai.openapi+json;version=3.1"), Some(Format::Json));
        for other in ["", "text/plain", "text/html", "application/jsonp"] {
            assert_eq!(Format::of_media_type(other), None, "{other}");
        }
        assert_eq!(Format::of_path("openapi/orders.JSON"), Format::Json);
        for yaml in ["orders.yaml", "a.json/orders", "orders"] {
            assert_eq!(Format::of_path(yaml), Format::Yaml, "{yaml}");
        }
    }
}
