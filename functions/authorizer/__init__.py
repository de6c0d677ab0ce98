"""The one Lambda authorizer of all APIs."""
