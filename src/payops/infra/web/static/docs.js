// No validator and no other address: the page talks to the service it came from, and to nobody else.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayOperationId: true,
  validatorUrl: null,
  persistAuthorization: false,
});
