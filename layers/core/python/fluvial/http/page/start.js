// A file of its own: the page's Content-Security-Policy allows no script inside it.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#operations",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // Else it would send the document to a site of others.
  validatorUrl: null,
});
