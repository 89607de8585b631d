//! Orders of about two kilobytes, written as text: making one costs a copy.

/// What stands for the number of an order in the text.
const NUMBER: &str = "00000000";

/// The text of all orders, cut where their number stands.
pub(crate) struct Order {
    pieces: Vec<String>,
}

impl Order {
    pub(crate) fn new() -> Self {
        let lines: Vec<String> = (1..=12).map(line).collect();
        let text = format!(
            "{{\"number\":\"order-{NUMBER}\",\"placed_at\":\"2026-03-01T09:30:00Z\",\"currency\":\"EUR\",\"store\":\"DE\",\
             \"customer\":{{\"reference\":\"customer-{NUMBER}\",\"email\":\"buyer-{NUMBER}@example.com\",\"first_name\":\"Ada\",\"last_name\":\"Example\"}},\
             \"shipping\":{{\"street\":\"Example street 12\",\"zip\":\"10115\",\"city\":\"Berlin\",\"country\":\"DE\",\"method\":\"standard\",\"price\":490}},\
             \"payment\":{{\"method\":\"invoice\",\"reference\":\"pay-{NUMBER}\"}},\"lines\":[{}]}}",
            lines.join(",")
        );
        Self {
            pieces: text.split(NUMBER).map(str::to_owned).collect(),
        }
    }

    /// Appends the order with this number.
    pub(crate) fn write(&self, number: usize, out: &mut Vec<u8>) {
        let digits = format!("{number:08}");
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(digits.as_bytes());
            }
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Bytes of one.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(String::len).sum::<usize>() + (self.pieces.len() - 1) * NUMBER.len()
    }
}

fn line(number: u32) -> String {
    format!(
        "{{\"sku\":\"sku-{number:04}\",\"name\":\"A product of the bench number {number}\",\"quantity\":{},\"unit_price\":{},\"tax_rate\":19}}",
        number % 3 + 1,
        number * 199 + 100
    )
}

/// The number behind the last `-` of an order's name.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.rsplit_once('-')?.1.parse().ok()
}
