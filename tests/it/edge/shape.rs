//! The shape of answers that failed in part, tested with a schema of its own with every mix of nullable and not.
//! Not here: the messages of errors.

use async_graphql::parser::parse_query;
use async_graphql::{EmptyMutation, EmptySubscription, Error, Interface, Object, Result, Schema, SimpleObject};
use boxoffice::engine::execute::shape::Types;

struct Query;
struct Node(i32);

#[Object]
impl Query {
    async fn node(&self) -> Option<Node> {
        Some(Node(1))
    }
    async fn sure(&self) -> Node {
        Node(1)
    }
    async fn none(&self) -> Option<Node> {
        None
    }
    async fn nodes(&self) -> Vec<Node> {
        vec![Node(1), Node(2), Node(3)]
    }
    async fn some_nodes(&self) -> Option<Vec<Option<Node>>> {
        Some(vec![Some(Node(1)), None, Some(Node(2))])
    }
    async fn results(&self) -> Vec<Result<i32>> {
        vec![Ok(1), Err(Error::new("bad"))]
    }
    async fn some_results(&self) -> Option<Vec<Result<i32>>> {
        Some(vec![Ok(1), Err(Error::new("bad"))])
    }
    async fn slow(&self) -> i32 {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        1
    }
    async fn things(&self) -> Vec<Thing> {
        vec![Thing::One(One { id: 1, one: 1 }), Thing::Two(Two { id: 2, two: 2 })]
    }
}

#[Object]
impl Node {
    async fn id(&self) -> i32 {
        self.0
    }
    async fn maybe(&self) -> Result<Option<i32>> {
        Err(Error::new("bad"))
    }
    async fn must(&self) -> Result<i32> {
        if self.0 == 2 { Err(Error::new("bad")) } else { Ok(1) }
    }
    async fn never(&self) -> Result<i32> {
        Err(Error::new("bad"))
    }
    async fn node(&self) -> Option<Node> {
        Some(Node(self.0))
    }
    async fn sure(&self) -> Node {
        Node(self.0)
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&i32"))]
enum Thing {
    One(One),
    Two(Two),
}

#[derive(SimpleObject)]
struct One {
    id: i32,
    one: i32,
}

#[derive(SimpleObject)]
struct Two {
    id: i32,
    two: i32,
}

/// Returns the answer's data as text, because the order of its fields matters, and its number of errors.
async fn answer(query: &str) -> (String, usize) {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).finish();
    let types = Types::read(&schema.sdl()).expect("the schema's own definition");
    let document = parse_query(query).expect("GraphQL");
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let shape = types.shape(&document, &operation.node);
    let mut response = schema.execute(query).await;
    shape.complete(&mut response);
    (serde_json::to_string(&response.data).expect("JSON"), response.errors.len())
}

async fn is(query: &str, data: &str, errors: usize) {
    let (got, failed) = answer(query).await;
    assert_eq!((got.replace('"', ""), failed), (data.to_owned(), errors), "{query}");
}

#[tokio::test]
async fn a_failed_field_is_null_and_its_siblings_stay() {
    is("{ node { id maybe } }", "{node:{id:1,maybe:null}}", 1).await;
    is("{ node { maybe } }", "{node:{maybe:null}}", 1).await;
    is("{ node { a: maybe b: maybe } }", "{node:{a:null,b:null}}", 2).await;
    is("{ node { node { maybe } } sure { maybe id } }", "{node:{node:{maybe:null}},sure:{maybe:null,id:1}}", 2).await;
    is("{ none { maybe id } }", "{none:null}", 0).await;
}

#[tokio::test]
async fn a_parent_that_cannot_do_without_is_null_instead() {
    is("{ node { id never } slow }", "{node:null,slow:1}", 1).await;
    is("{ node { id sure { never } } }", "{node:null}", 1).await;
    is("{ node { node { sure { id never } } id } }", "{node:{node:null,id:1}}", 1).await;
    is("{ sure { never } slow }", "null", 1).await;
    // A removed value does not come back because another field below it failed too.
    is("{ node { maybe never node { maybe } } }", "{node:null}", 3).await;
    is("{ node { never maybe } }", "{node:null}", 2).await;
}

#[tokio::test]
async fn lists_are_parents_too() {
    is("{ someNodes { id must } }", "{someNodes:[{id:1,must:1},null,null]}", 1).await;
    is("{ someNodes { maybe } }", "{someNodes:[{maybe:null},null,{maybe:null}]}", 2).await;
    is("{ node { id } nodes { must } }", "null", 1).await;
    is("{ slow results }", "null", 1).await;
    is("{ slow someResults }", "{slow:1,someResults:null}", 1).await;
}

#[tokio::test]
async fn fields_come_in_the_order_they_were_asked_for() {
    is("{ slow node { id } sure { id } }", "{slow:1,node:{id:1},sure:{id:1}}", 0).await;
    let query = "{ ...A sure { id } __typename } fragment A on Query { slow sure { ... { node { id } maybe } } }";
    is(query, "{slow:1,sure:{node:{id:1},maybe:null,id:1},__typename:Query}", 1).await;
    is("{ b: slow a: node { id } }", "{b:1,a:{id:1}}", 0).await;
}

#[tokio::test]
async fn objects_of_which_nothing_applies_are_empty() {
    is("{ things { ... on One { one } } }", "{things:[{one:1},{}]}", 0).await;
    is("{ things { id ... on Two { two } } }", "{things:[{id:1},{id:2,two:2}]}", 0).await;
    is("{ slow @skip(if: true) }", "{}", 0).await;
    is("{ __schema { queryType { name } } }", "{__schema:{queryType:{name:Query}}}", 0).await;
}
