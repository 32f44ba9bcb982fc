//! Enums of fixed words that stand in the domain and on the wire alike: written once here, with both
//! conversions, so that a word added to the domain does not compile until the wire has it.

macro_rules! mirrored {
    ($($(#[$attribute:meta])* $name:ident = $domain:path { $($variant:ident,)* })*) => {$(
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        $(#[$attribute])*
        pub enum $name {
            $($variant,)*
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$variant => Self::$variant,)* }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)* }
            }
        }
    )*};
}

pub(crate) use mirrored;
