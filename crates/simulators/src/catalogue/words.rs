//! Words from which names are made. German and English stand side by side.

pub(super) struct Noun {
    /// Code of the family and beginning of its keys.
    pub(super) code: &'static str,
    pub(super) english: &'static str,
    pub(super) german: &'static str,
}

const fn noun(code: &'static str, english: &'static str, german: &'static str) -> Noun {
    Noun {
        code,
        english,
        german,
    }
}

/// One family each.
pub(super) const NOUNS: &[Noun] = &[
    noun("tee", "T-Shirt", "T-Shirt"),
    noun("shoe", "Shoe", "Schuh"),
    noun("jacket", "Jacket", "Jacke"),
    noun("trousers", "Trousers", "Hose"),
    noun("chair", "Chair", "Stuhl"),
    noun("table", "Table", "Tisch"),
    noun("lamp", "Lamp", "Leuchte"),
    noun("phone", "Phone", "Telefon"),
    noun("drill", "Drill", "Bohrmaschine"),
    noun("tent", "Tent", "Zelt"),
    noun("bike", "Bicycle", "Fahrrad"),
    noun("knife", "Knife", "Messer"),
];

pub(super) const ADJECTIVES: &[(&str, &str)] = &[
    ("Light", "Leicht"),
    ("Sturdy", "Robust"),
    ("Classic", "Klassisch"),
    ("Modern", "Modern"),
    ("Quiet", "Leise"),
    ("Warm", "Warm"),
    ("Compact", "Kompakt"),
    ("Bright", "Hell"),
    ("Foldable", "Faltbar"),
    ("Waterproof", "Wasserdicht"),
    ("Soft", "Weich"),
    ("Fast", "Schnell"),
    ("Elegant", "Elegant"),
    ("Durable", "Langlebig"),
];

pub(super) const CATEGORY_WORDS: &[(&str, &str, &str)] = &[
    ("outdoor", "Outdoor", "Outdoor"),
    ("garden", "Garden", "Garten"),
    ("kitchen", "Kitchen", "Küche"),
    ("office", "Office", "Büro"),
    ("workshop", "Workshop", "Werkstatt"),
    ("winter", "Winter", "Winter"),
    ("children", "Children", "Kinder"),
    ("living", "Living Room", "Wohnzimmer"),
    ("sports", "Sports", "Sport"),
    ("travel", "Travel", "Reise"),
    ("sale", "Sale", "Angebote"),
    ("basics", "Basics", "Grundausstattung"),
];

pub(super) const COLORS: &[(&str, &str, &str)] = &[
    ("red", "Red", "Rot"),
    ("blue", "Blue", "Blau"),
    ("green", "Green", "Grün"),
    ("black", "Black", "Schwarz"),
    ("white", "White", "Weiß"),
    ("grey", "Grey", "Grau"),
    ("yellow", "Yellow", "Gelb"),
    ("orange", "Orange", "Orange"),
    ("brown", "Brown", "Braun"),
    ("purple", "Purple", "Lila"),
    ("pink", "Pink", "Rosa"),
    ("beige", "Beige", "Beige"),
];

pub(super) const SIZES: &[(&str, &str, &str)] = &[
    ("xs", "XS", "XS"),
    ("s", "S", "S"),
    ("m", "M", "M"),
    ("l", "L", "L"),
    ("xl", "XL", "XL"),
    ("xxl", "XXL", "XXL"),
    ("3xl", "3XL", "3XL"),
    ("one_size", "One Size", "Einheitsgröße"),
];

pub(super) const MATERIALS: &[(&str, &str, &str)] = &[
    ("cotton", "Cotton", "Baumwolle"),
    ("wool", "Wool", "Wolle"),
    ("leather", "Leather", "Leder"),
    ("steel", "Steel", "Stahl"),
    ("oak", "Oak", "Eiche"),
    ("pine", "Pine", "Kiefer"),
    ("plastic", "Plastic", "Kunststoff"),
    ("glass", "Glass", "Glas"),
];

pub(super) const BRANDS: &[(&str, &str, &str)] = &[
    ("norden", "Norden", "Norden"),
    ("alpina", "Alpina", "Alpina"),
    ("kaito", "Kaito", "Kaito"),
    ("brook_and_sons", "Brook & Sons", "Brook & Sons"),
    ("oe_werk", "Œ-Werk", "Œ-Werk"),
];

pub(super) const FEATURES: &[(&str, &str, &str)] = &[
    ("washable", "Washable", "Waschbar"),
    ("recycled", "Recycled", "Recycelt"),
    ("handmade", "Handmade", "Handgemacht"),
    ("limited", "Limited Edition", "Limitierte Auflage"),
    ("vegan", "Vegan", "Vegan"),
    ("fair", "Fair Trade", "Fairer Handel"),
];

pub(super) const SENTENCES: &[(&str, &str)] = &[
    ("Made for every day.", "Für jeden Tag gemacht."),
    ("It lasts for years.", "Es hält viele Jahre."),
    ("Easy to clean.", "Leicht zu reinigen."),
    (
        "Tested by people who use it.",
        "Geprüft von Menschen, die es benutzen.",
    ),
    ("Delivered without plastic.", "Ohne Plastik geliefert."),
    ("A good gift.", "Ein gutes Geschenk."),
];
