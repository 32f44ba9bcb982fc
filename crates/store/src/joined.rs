//! Rows that come as one text, their columns between one separator and themselves between another: handing rows over
//! one by one, column by column, costs a verifier that starts more than reading them. No column has either character:
//! ids and words don't, JSON escapes them, and names must not have them (`claviger_domain::text`).

use crate::bulk::Bulk;

const BETWEEN_ROWS: char = '\u{1e}';
const BETWEEN_COLUMNS: char = '\u{1f}';

/// What one of these rows can be read as.
pub(crate) trait FromText: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// The columns in their order.
    fn from_text<'t>(columns: &mut impl Iterator<Item = &'t str>) -> Option<Self>;
}

impl<T: FromText> Bulk for T {
    const TABLE: &'static str = <T as FromText>::TABLE;

    fn each(value: &[u8], take: &mut impl FnMut(Self)) -> bool {
        let Ok(text) = std::str::from_utf8(value) else { return false };
        text.split(BETWEEN_ROWS).all(|row| {
            let mut columns = row.split(BETWEEN_COLUMNS);
            let row = T::from_text(&mut columns).filter(|_| columns.next().is_none());
            row.map(&mut *take).is_some()
        })
    }
}
