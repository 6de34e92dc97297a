//! The cost of documents: the counting, the refusals, and that counting stays linear.
//! Not here: that every transport checks it (`http`, `socket`).

use async_graphql::parser::parse_query;
use async_graphql::{Variables, value};
use boxoffice::engine::cost::{Cost, Limits, Refusal, check, tokens};
use boxoffice::engine::fault::Fault;
use boxoffice::graphql::price::limits;

/// Returns limits that refuse only what the test is about.
fn generous() -> Limits {
    Limits {
        document_bytes: usize::MAX,
        tokens: usize::MAX,
        nesting: usize::MAX,
        depth: u64::MAX,
        aliases: u64::MAX,
        directives: u64::MAX,
        root_fields: u64::MAX,
        fragments: usize::MAX,
        operations: usize::MAX,
        expanded: u64::MAX,
        values: u64::MAX,
        cost: u64::MAX,
        answer: u64::MAX,
        ..limits()
    }
}

fn with(document: &str, variables: async_graphql::Value, limits: &Limits) -> Result<Cost, Refusal> {
    let document = parse_query(document).expect("the test's document is GraphQL");
    check(&document, None, &Variables::from_value(variables), limits)
}

fn counted(document: &str) -> Cost {
    with(document, value!({}), &generous()).expect("nothing is refused")
}

fn refused(document: &str) -> String {
    let refusal = with(document, value!({}), &limits()).expect_err("it is refused");
    assert_eq!(refusal.fault, Fault::TooCostly, "{}", refusal.message);
    assert!(!refusal.message.contains('\n') && refusal.message.len() < 200, "{}", refusal.message);
    refusal.message
}

/// Returns fragments that each spread the next one twice.
fn bomb(levels: usize, operation: &str) -> String {
    let mut text = operation.to_owned();
    for level in 0..levels {
        text.push_str(&format!(" fragment F{level} on Query {{ ...F{} ...F{} }}", level + 1, level + 1));
    }
    text.push_str(&format!(" fragment F{levels} on Query {{ hello }}"));
    text
}

#[test]
fn doubling_fragments_are_refused_after_looking_at_each_selection_twice() {
    for levels in [10, 20, 40, 49] {
        let text = bomb(levels, "{ ...F0 }");
        let selections = (2 * levels + 2) as u64;
        let cost = counted(&text);
        assert_eq!(cost.visited, 2 * selections, "{levels} levels");
        assert_eq!(cost.fields, 1 << levels);
    }
    refused(&bomb(49, "{ ...F0 }"));
    // More doublings than a number has bits: sums saturate instead of wrapping.
    assert_eq!(counted(&bomb(200, "{ ...F0 }")).fields, u64::MAX);
}

#[test]
fn definitions_that_are_not_executed_are_counted_too() {
    assert!(refused(&bomb(30, "{ hello }")).contains("expanded"));
    let text = format!("{} query Other {{ ...F0 }}", bomb(30, "query One { hello }"));
    let document = parse_query(text).expect("GraphQL");
    let refusal = check(&document, Some("One"), &Variables::default(), &limits()).expect_err("refused");
    assert_eq!(refusal.fault, Fault::TooCostly);
}

#[test]
fn fragments_that_contain_themselves_are_invalid() {
    for text in [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { thing { ...B } } fragment B on Thing { thing { ...A } }",
        "{ hello } fragment A on Query { ...B } fragment B on Query { ...A }",
    ] {
        let refusal = with(text, value!({}), &limits()).expect_err("refused");
        assert_eq!(refusal.fault, Fault::GraphqlValidationFailed, "{}", refusal.message);
    }
}

#[test]
fn long_chains_of_deep_fragments_do_not_overflow_the_stack() {
    let deep = |inner: &str| format!("{}{inner}{}", "thing { ".repeat(50), "} ".repeat(50));
    let mut text = "{ ...F0 }".to_owned();
    for level in 0..500 {
        text.push_str(&format!(" fragment F{level} on Thing {{ {} }}", deep(&format!("...F{}", level + 1))));
    }
    text.push_str(" fragment F500 on Thing { id }");
    assert_eq!(counted(&text).depth, 500 * 50 + 1);
    assert!(refused(&text).contains("fragments"));
}

#[test]
fn depth_counts_fields_through_fragments_and_not_the_fragments() {
    let nested = |levels: usize| format!("{{ {} id {} }}", "thing { ".repeat(levels), "} ".repeat(levels));
    assert_eq!(counted(&nested(9)).depth, 10);
    assert!(with(&nested(9), value!({}), &limits()).is_ok());
    assert_eq!(refused(&nested(10)), "The operation has 11 levels of fields; at most 10 are allowed.");
    let text = "{ ... on Query { ...A } } fragment A on Query { thing { ... { ...B } } } fragment B on Thing { id }";
    assert_eq!(counted(text).depth, 2);
}

#[test]
fn aliases_directives_and_roots_have_limits_wherever_they_stand() {
    let aliases = |n: usize| (0..n).map(|i| format!("a{i}: id ")).collect::<String>();
    assert!(with(&format!("{{ thing {{ {} }} }}", aliases(15)), value!({}), &limits()).is_ok());
    assert!(refused(&format!("{{ thing {{ {} }} }}", aliases(16))).contains("16 aliases"));
    let spread = format!("{{ thing {{ ...A thing {{ ...A }} }} }} fragment A on Thing {{ {} }}", aliases(8));
    assert!(refused(&spread).contains("16 aliases"));

    let directives = |n: usize| "@include(if: true) ".repeat(n);
    assert!(refused(&format!("{{ hello {} }}", directives(11))).contains("11 directives"));
    let everywhere = format!(
        "query Q($v: Int {d}) {d} {{ hello {d} ... {d} {{ hello }} ...A {d} }} fragment A on Query {d} {{ hello }}",
        d = directives(2)
    );
    assert_eq!(counted(&everywhere).directives, 12);

    assert!(refused(&format!("{{ {} }}", "hello ".repeat(11))).contains("11 root fields"));
    let roots = "{ ...A ... { ...A } hello } fragment A on Query { hello hello hello hello hello }";
    assert!(refused(roots).contains("11 root fields"));
}

#[test]
fn documents_have_few_definitions() {
    let operations: String = (0..11).map(|i| format!("query Q{i} {{ hello }} ")).collect();
    assert!(refused(&operations).contains("11 operations"));
    let fragments: String = (0..51).map(|i| format!(" fragment F{i} on Query {{ hello }}")).collect();
    assert!(refused(&format!("{{ hello }}{fragments}")).contains("51 fragments"));
}

#[test]
fn rows_cost_and_their_scalars_do_not() {
    // The operation, its connection, its rows.
    assert_eq!(counted("{ things(first: 10) { nodes { id } } }").cost, 2 + 10);
    assert_eq!(counted("{ things(first: 10) { nodes { id a b c d e f g h } } }").cost, 2 + 10 + 1, "92 fields");
    assert_eq!(counted("{ things(last: 10) { edges { cursor node { id } } pageInfo { endCursor } } }").cost, 2 + 10);
    // Objects of other tables cost as often as the page is long, also in fragments.
    let both =
        "{ things(first: 10) { ...A } } fragment A on Conn { nodes { ...B } } fragment B on Thing { owner { name } }";
    assert_eq!(counted(both).cost, 2 + 10 + 10);
    // Pages in pages multiply.
    assert_eq!(
        counted("{ things(first: 10) { nodes { things(first: 5) { nodes { id } } } } }").cost,
        2 + 10 * (1 + 1 + 5) + 1
    );
    // A plain list; and a connection without a length.
    assert_eq!(counted("{ thing { things(first: 7) { id } } }").cost, 3 + 7);
    assert_eq!(counted("{ things { nodes { id } } }").cost, 2 + 20);
    assert_eq!(counted(r#"{ nodes(ids: ["a", "b", "c"]) { id } }"#).cost, 2 + 3);
    assert!(refused("{ things(first: 100) { nodes { things(first: 100) { nodes { id } } } } }").contains("cost"));
}

#[test]
fn what_scans_hashes_or_writes_has_a_price_of_its_own() {
    assert_eq!(counted("{ things(first: 1) { totalCount } }").cost, 2 + 1 + 10);
    // Once for the connection, however long.
    assert_eq!(counted("{ things(first: 100) { totalCount nodes { id } } }").cost, 2 + 100 + 10 + 2);
    assert_eq!(counted("{ things(first: 10) { nodes { position } } }").cost, 2 + 10 + 10 * 5);
    let filtered =
        |filter: &str| counted(&format!("{{ things(first: 1, filter: {filter}) {{ nodes {{ id }} }} }}")).cost;
    assert_eq!(filtered("{ status: OPEN }"), 3);
    assert_eq!(filtered("{ text: \"a\", hasTickets: false }"), 3 + 40);
    assert_eq!(filtered("{ text: null }"), 3);
    assert_eq!(filtered("{ free: true, price: { from: 1 } }"), 3 + 40);
    assert_eq!(counted("{ changed(eventIds: [1, 2, 3]) { id } }").cost, 2 + 3);
    let by = |declared: &str, filter: &str, variables| {
        let text = format!("query({declared}) {{ things(first: 1, filter: {filter}) {{ nodes {{ id }} }} }}");
        with(&text, variables, &generous()).expect("nothing is refused").cost
    };
    assert_eq!(by("$f: F", "$f", value!({ "f": { "text": "a" } })), 3 + 20);
    assert_eq!(by("$f: F", "$f", value!({ "f": { "text": null } })), 3);
    assert_eq!(by("$t: String", "{ text: $t }", value!({ "t": "a" })), 3 + 20);
    assert_eq!(by("$t: String", "{ text: $t }", value!({})), 3);
    assert_eq!(counted("mutation { a(input: {}) { thing { id } } b(input: {}) { ok } }").cost, 1 + 2 * (1 + 10) + 1);
    assert_eq!(counted("mutation { signIn(input: {}) { token { accessToken } } }").cost, 1 + 100 + 10);
}

/// Scalars are free, but bounded: each is resolved and written as often as it is selected.
#[test]
fn the_fields_of_an_answer_are_bounded_although_they_read_nothing() {
    let wide = |n: usize| format!("{{ things(first: 100) {{ nodes {{ {} }} }} }}", "id ".repeat(n));
    let answer = counted(&wide(100));
    assert_eq!((answer.answer, answer.cost), (2 + 100 * 100, 2 + 100 + 200));
    assert!(with(&wide(199), value!({}), &limits()).is_ok());
    assert_eq!(refused(&wide(200)), "The answer has 20002 fields; at most 20000 are allowed.");
}

#[test]
fn a_page_size_may_stand_in_a_variable() {
    let cost = |declared: &str, variables| {
        let text = format!("query Q({declared}) {{ things(first: $n) {{ nodes {{ id }} }} }}");
        with(&text, variables, &generous()).expect("nothing is refused").cost
    };
    assert_eq!(cost("$n: Int", value!({ "n": 10 })), 2 + 10);
    assert_eq!(cost("$n: Int = 30", value!({})), 2 + 30);
    assert_eq!(cost("$n: Int = 30", value!({ "n": 10 })), 2 + 10);
    assert_eq!(cost("$n: Int", value!({ "n": null })), 2 + 20, "as if it were left out");
    let longest = 2 + 100 + 2; // 102 fields
    assert_eq!(cost("$n: Int", value!({})), longest, "unknown: the longest page");
    for strange in [value!(-5), value!(0), value!(1)] {
        assert_eq!(cost("$n: Int", value!({ "n": strange })), 2 + 1);
    }
    for strange in [value!(1_000_000_000_000_i64), value!(18_446_744_073_709_551_615_u64), value!(1.5), value!("ten")] {
        assert_eq!(cost("$n: Int", value!({ "n": strange })), longest);
    }
    let ids = "query Q($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(with(ids, value!({ "ids": ["a", "b"] }), &generous()).expect("counted").cost, 2 + 2);
    let mixed = "query Q($a: ID!) { nodes(ids: [$a, \"b\"]) { id } }";
    assert_eq!(with(mixed, value!({ "a": "a" }), &generous()).expect("counted").cost, 2 + 2);
}

/// Validation copies a variable wherever it is used: 60 kB used 950 times once took gigabytes.
#[test]
fn variables_weigh_wherever_they_are_named() {
    let long = value!(vec![1; 1_000]);
    let refusal = |document: &str, x: &async_graphql::Value| {
        let limits = Limits { cost: u64::MAX, aliases: u64::MAX, root_fields: u64::MAX, ..limits() };
        with(document, value!({ "x": (x.clone()) }), &limits).map_err(|refusal| refusal.message)
    };
    let named = |times: usize| format!("query($x: [Int]) {{ things(first: [{}]) {{ id }} }}", "$x ".repeat(times));
    assert_eq!(refusal(&named(9), &long).map(|_| ()), Ok(()));
    let message = refusal(&named(10), &long).unwrap_err();
    assert_eq!(message, "The document has 10011 values with its variables expanded; at most 10000 are allowed.");
    // Not by objects, text, defaults, directives or fragments either.
    let fields: String = (0..10).map(|n| format!("f{n}: things(x: {{ y: [$x] }}) {{ id }} ")).collect();
    assert!(refusal(&format!("query($x: [Int]) {{ {fields} }}"), &long).is_err());
    assert!(refusal(&named(4), &value!("x".repeat(200_000))).is_err());
    let default =
        format!("query($y: [Int] = [{}]) {{ things(first: [{}]) {{ id }} }}", "1 ".repeat(1_000), "$y ".repeat(10));
    assert!(refusal(&default, &value!(null)).is_err());
    let conditions = "@skip(if: $x) ".repeat(10);
    assert!(refusal(&format!("query($x: [Int]) {{ things {conditions} {{ id }} }}"), &long).is_err());
    let doubled = bomb(4, "query($x: [Int]) { ...F0 }").replace("hello", "things(first: $x) { id }");
    assert!(refusal(&doubled, &long).is_err(), "sixteen times");
    let unused = "query Used { things { id } } query Other($x: [Int]) { ...A ...A } fragment A on Query { things(x: [$x $x $x $x $x]) { id } }";
    let document = parse_query(unused).unwrap();
    let variables = Variables::from_value(value!({ "x": long }));
    assert!(check(&document, Some("Used"), &variables, &limits()).is_err());
}

#[test]
fn the_introspection_of_current_tools_fits_and_circles_do_not() {
    for text in [include_str!("data/introspection.graphql"), include_str!("data/introspection-plain.graphql")] {
        limits().check_text(text).expect("short enough");
        let cost = with(text, value!({}), &limits()).expect("introspection works");
        // Four fields cost a point, although few rows are read: the answer is long, and is built anew each time.
        assert_eq!((cost.depth, cost.cost), (1, 1 + cost.fields.div_ceil(4) + cost.fields / 50), "{cost:?}");
        assert!((20..=100).contains(&cost.cost), "{cost:?}");
    }
    let circle = "{ __schema { types { fields { type { fields { name } } } } } }";
    assert!(refused(circle).contains("introspection lists"));
    let deep = format!("{{ __type(name: \"A\") {{ {} name {} }} }}", "ofType { ".repeat(20), "} ".repeat(20));
    assert!(refused(&deep).contains("levels of introspection"));
    let wide = format!("{{ __schema {{ types {{ {} }} }} }}", "name ".repeat(600));
    assert!(refused(&wide).contains("introspection fields"));
    // Fields beside introspection keep their own limits.
    let beside = format!("{{ __typename {} id {} }}", "thing { ".repeat(12), "} ".repeat(12));
    assert!(refused(&beside).contains("levels of fields"));
}

#[test]
fn an_operation_has_to_be_meant() {
    let document = parse_query("query A { hello } query B { thing { id } }").expect("GraphQL");
    let ask = |name| check(&document, name, &Variables::default(), &limits());
    assert_eq!(ask(Some("B")).expect("counted").fields, 2);
    for name in [None, Some(""), Some("C")] {
        assert_eq!(ask(name).expect_err("refused").fault, Fault::BadUserInput);
    }
    let single = parse_query("query A { hello }").expect("GraphQL");
    assert!(check(&single, None, &Variables::default(), &limits()).is_ok());
    assert!(check(&single, Some(""), &Variables::default(), &limits()).is_ok());
}

#[test]
fn tokens_are_counted_before_anything_is_parsed() {
    for (text, count) in [
        ("", 0),
        ("{ hello }", 3),
        ("{hello,,,world} # a comment { } \n", 4),
        ("query Q($a: [Int!]! = [1, -2.5e+3]) @x { a(b: $a) ...F }", 30),
        (r#"{ a(b: "one \" two", c: """ three \""" "four" """) }"#, 11),
        ("\"never closed", 1),
        ("\"\"\"never closed", 2),
        ("\"ends with a backslash\\", 1),
        ("\u{feff}{ä}", 4), // a byte order mark is a space; invalid text counts by its bytes
    ] {
        assert_eq!(tokens(text).count, count, "{text}");
    }
    assert_eq!(tokens("{ a(b: [{ c: 1 }]) { d } } ] ] {").nesting, 4);
    assert_eq!(tokens("# {{{\n \"{{{\" \"\"\"{{{\"\"\"").nesting, 0);
    // The parser reads three quotes that nothing closes as an empty string and the beginning of another.
    let hidden = format!("{{ a(b: [\"\"\"x\"]) {}{} }}", "{ a ".repeat(50), "}".repeat(50));
    parse_query(&hidden).unwrap();
    assert_eq!(tokens(&hidden).nesting, 51);
    assert_eq!(tokens(r#"{ a(b: ["""x"]) { c(d: "{{{") } }"#).nesting, 3);
    let limits = limits();
    assert!(limits.check_text(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    assert_eq!(limits.check_text(&"{".repeat(65)).expect_err("refused").fault, Fault::TooCostly);
    assert!(limits.check_text(&"a ".repeat(2_000)).is_ok());
    assert_eq!(limits.check_text(&"a ".repeat(2_001)).expect_err("refused").fault, Fault::TooCostly);
    assert!(limits.check_text(&" ".repeat(16 * 1024)).is_ok());
    assert_eq!(limits.check_text(&" ".repeat(16 * 1024 + 1)).expect_err("refused").fault, Fault::TooCostly);
}
