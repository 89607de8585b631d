//! The content of the start: what an operator sets up in a shop before any product arrives. All
//! values are our own.

use super::book::Book;
use super::cell::Cell;
use super::definition::Definitions;
use super::store::Store;

fn text(value: &str) -> Cell {
    Cell::text(value)
}

/// A store with stores, locales, currencies, taxes, price types, stocks and templates.
pub(crate) fn store(definitions: &Definitions) -> Store {
    let mut store = Store::new(definitions);
    let mut book = Book {
        store: &mut store,
        definitions,
    };
    fill(&mut book);
    store.commit(definitions);
    store.forget_created();
    store
}

fn add(book: &mut Book<'_>, resource: &str, cells: &[(&str, Cell)]) -> i64 {
    match book.add(resource, cells) {
        Ok(id) => id,
        Err(_) => unreachable!("the content of the start breaks no rule, a test loads it"),
    }
}

fn fill(book: &mut Book<'_>) {
    let locales: Vec<Cell> = ["en_US", "de_DE", "de_AT", "de_CH", "fr_FR"]
        .iter()
        .map(|name| {
            let active = Cell::Bool(*name != "fr_FR");
            let cells = [("locale_name", text(name)), ("is_active", active)];
            Cell::Int(add(book, "locales", &cells))
        })
        .collect();
    let currencies: Vec<Cell> = [
        ("Euro", "EUR", "€"),
        ("Swiss Franc", "CHF", "CHF"),
        ("US Dollar", "USD", "$"),
    ]
    .iter()
    .map(|(name, code, symbol)| {
        let cells = [
            ("name", text(name)),
            ("code", text(code)),
            ("symbol", text(symbol)),
        ];
        Cell::Int(add(book, "currencies", &cells))
    })
    .collect();
    let countries: Vec<Cell> = [
        ("DE", "DEU", "Germany"),
        ("AT", "AUT", "Austria"),
        ("CH", "CHE", "Switzerland"),
        ("US", "USA", "United States"),
    ]
    .iter()
    .map(|(two, three, name)| {
        let cells = [
            ("iso2_code", text(two)),
            ("iso3_code", text(three)),
            ("name", text(name)),
        ];
        Cell::Int(add(book, "countries", &cells))
    })
    .collect();
    // name, default locale, default currency, further locales, further currencies, country
    let stores = [
        ("DE", 1, 0, vec![1, 0], vec![0, 1], 0),
        ("AT", 1, 0, vec![1, 0, 2], vec![0, 1], 1),
        ("US", 0, 2, vec![0], vec![2, 0], 3),
    ];
    let mut store_ids = Vec::new();
    for (name, locale, currency, more_locales, more_currencies, country) in stores {
        let cells = [
            ("name", text(name)),
            ("fk_locale", locales[locale].clone()),
            ("fk_currency", currencies[currency].clone()),
        ];
        let id = Cell::Int(add(book, "stores", &cells));
        for locale in more_locales {
            let cells = [("fk_store", id.clone()), ("fk_locale", locales[locale].clone())];
            add(book, "locale-stores", &cells);
        }
        for currency in more_currencies {
            let cells = [
                ("fk_store", id.clone()),
                ("fk_currency", currencies[currency].clone()),
            ];
            add(book, "currency-stores", &cells);
        }
        let cells = [
            ("fk_store", id.clone()),
            ("fk_country", countries[country].clone()),
        ];
        add(book, "country-stores", &cells);
        store_ids.push(id);
    }
    taxes(book, &countries);
    for (name, modes) in [("DEFAULT", "BOTH"), ("ORIGINAL", "BOTH")] {
        let cells = [("name", text(name)), ("price_mode_configuration", text(modes))];
        add(book, "price-types", &cells);
    }
    for (name, stores) in [("Warehouse1", vec![0, 1]), ("Warehouse2", vec![0, 1, 2])] {
        let uuid = format!("5a1f0c3e-0000-4000-8000-{:012}", store_ids.len() + stores.len());
        let cells = [
            ("name", text(name)),
            ("is_active", Cell::Bool(true)),
            ("uuid", text(&uuid)),
        ];
        let id = Cell::Int(add(book, "stocks", &cells));
        for store in stores {
            let cells = [("fk_stock", id.clone()), ("fk_store", store_ids[store].clone())];
            add(book, "stock-stores", &cells);
        }
    }
    for (name, path) in [
        ("Catalog (default)", "@CatalogPage/views/catalog/catalog.twig"),
        ("Sub Catalog", "@CatalogPage/views/sub-catalog/sub-catalog.twig"),
    ] {
        add(
            book,
            "category-templates",
            &[("name", text(name)), ("template_path", text(path))],
        );
    }
    for key in ["related-products", "up-selling"] {
        add(book, "product-relation-types", &[("key", text(key))]);
    }
}

fn taxes(book: &mut Book<'_>, countries: &[Cell]) {
    let sets = [
        ("Standard Taxes", vec![(0, "19.00"), (1, "20.00"), (2, "8.10")]),
        ("Reduced Taxes", vec![(0, "7.00"), (1, "10.00"), (2, "2.60")]),
        ("DE-full", vec![(0, "19.00")]),
        ("DE-reduced", vec![(0, "7.00")]),
        ("AT-full", vec![(1, "20.00")]),
        ("AT-reduced", vec![(1, "10.00")]),
        ("Tax Exempt", vec![]),
    ];
    for (number, (name, rates)) in sets.into_iter().enumerate() {
        let uuid = format!("7c9e6679-0000-4000-8000-{number:012}");
        let cells = [("name", text(name)), ("uuid", text(&uuid))];
        let set = Cell::Int(add(book, "tax-sets", &cells));
        for (country, rate) in rates {
            let cells = [
                ("name", text(&format!("{name} {rate}"))),
                ("rate", text(rate)),
                ("fk_country", countries[country].clone()),
            ];
            let rate = Cell::Int(add(book, "tax-rates", &cells));
            add(
                book,
                "tax-set-taxes",
                &[("fk_tax_rate", rate), ("fk_tax_set", set.clone())],
            );
        }
    }
}
