package publisher

import (
	"testing"

	"github.com/flowpub/flowpub/internal/fakehttp"
)

// Whatever a registry answers: there is an error in time, little is read of it, and
// no redirection is followed.
func TestHostileRegistry(t *testing.T) {
	t.Parallel()
	fakehttp.Hostile(t, func(t *testing.T, address string) {
		t.Helper()
		registry := RegistryConfig{URL: address}
		if id, err := registry.schemaID(t.Context(), "flows-value"); err == nil {
			t.Errorf("the registry gave the id %d", id)
		}
	})
}
