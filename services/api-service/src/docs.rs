//! The description of the endpoints, for programs (`/openapi.json`) and for people (`/docs`).
//!
//! utoipa gathers it from the handlers. The page is an asset of ours that reads the same document; it loads nothing from
//! elsewhere.

use axum::Json;
use axum::response::Html;
use utoipa::OpenApi;

/// Greets people, by way of backend-service.
#[derive(Debug, OpenApi)]
#[openapi(info(title = "api-service"), paths(crate::greet::greet, crate::greet_many::greet_many))]
struct Api;

/// The OpenAPI 3.1 document.
pub(crate) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

/// The page that shows it.
pub(crate) async fn page() -> Html<&'static str> {
    Html(include_str!("../assets/docs.html"))
}
