// Shows the OpenAPI document of the server that this page came from, and calls nothing else.
Scalar.createApiReference("#reference", {
  url: "openapi.json",
  authentication: { preferredSecurityScheme: "bearer" },
  defaultOpenAllTags: true,
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
});
