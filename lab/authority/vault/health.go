package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"nomadlab.internal/lab/poll"
)

// Health is the state of a Vault server. The zero Health is that of a server that nobody has initialised.
type Health struct {
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Standby     bool   `json:"standby"`
	Version     string `json:"version"`
}

// Err returns ErrUninitialised, ErrSealed or ErrStandby, each with the remedy, or nil for a server that can be used.
func (h Health) Err() error {
	switch {
	case !h.Initialized:
		return fmt.Errorf("%w: run `vault operator init`, and unseal it", ErrUninitialised)
	case h.Sealed:
		return fmt.Errorf("%w, and answers nothing: unseal it with `vault operator unseal`", ErrSealed)
	case h.Standby:
		return fmt.Errorf("%w: give the address of the active one", ErrStandby)
	default:
		return nil
	}
}

// Health asks the server for its state. It returns ErrUnreachable, wrapped, if no Vault answers.
func (c *Client) Health(ctx context.Context) (Health, error) {
	status, text, err := c.send(ctx, Secret{}, http.MethodGet, "sys/health", nil)
	if err != nil {
		return Health{}, err
	}
	said := messages(text, Secret{})
	if strings.Contains(strings.Join(said, " "), "Client sent an HTTP request to an HTTPS server") {
		return Health{}, fmt.Errorf("%w: %s: it listens with TLS: write https://", ErrAddress, c.address)
	}
	var h Health
	// The status tells the states apart (http/sys_health.go), and the body does too: a body without them is not Vault's.
	if json.Unmarshal(text, &h) != nil || h.Version == "" {
		return Health{}, fmt.Errorf("%w at %s: what answers there is no Vault (status %d): %v", ErrUnreachable, c.address, status, said)
	}
	return h, nil
}

// Await waits until the server answers at all, sealed or not. It returns the error of poll.Until.
func (c *Client) Await(ctx context.Context) (Health, error) {
	var h Health
	err := poll.Until(ctx, "Vault at "+c.address+" answers", func(ctx context.Context) string {
		var err error
		if h, err = c.Health(ctx); err != nil {
			return err.Error()
		}
		return ""
	})
	return h, err
}

// Keys are the secrets of a Vault server. Both are needed to start a stopped Vault and to change it.
type Keys struct {
	// Unseal opens a sealed Vault.
	Unseal Secret
	// Root is the token that may do everything.
	Root Secret
}

// Init initialises a new Vault with one unseal key. It returns a *CallError, wrapped, for one that is initialised already.
func (c *Client) Init(ctx context.Context) (Keys, error) {
	status, text, err := c.send(ctx, Secret{}, http.MethodPut, "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1})
	if err != nil {
		return Keys{}, fmt.Errorf("initialise Vault: %w", err)
	}
	if status != http.StatusOK {
		return Keys{}, fmt.Errorf("initialise Vault: %w",
			&CallError{Method: http.MethodPut, Path: "sys/init", Status: status, Messages: messages(text, Secret{})})
	}
	var made struct {
		Keys      []string `json:"keys_base64"`
		RootToken string   `json:"root_token"`
	}
	if json.Unmarshal(text, &made) != nil || len(made.Keys) != 1 || made.RootToken == "" {
		return Keys{}, fmt.Errorf("initialise Vault at %s: its answer has no unseal key or no token", c.address)
	}
	return Keys{Unseal: NewSecret(made.Keys[0]), Root: NewSecret(made.RootToken)}, nil
}

// Unseal opens the server with its one unseal key, and waits until it is active. An open server stays open.
func (c *Client) Unseal(ctx context.Context, key Secret) error {
	status, text, err := c.send(ctx, Secret{}, http.MethodPut, "sys/unseal", map[string]string{"key": key.Reveal()})
	if err != nil {
		return fmt.Errorf("unseal Vault: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("unseal Vault: %w", &CallError{Method: http.MethodPut, Path: "sys/unseal", Status: status, Messages: messages(text, key)})
	}
	return poll.Until(ctx, "Vault at "+c.address+" is active", func(ctx context.Context) string {
		h, err := c.Health(ctx)
		if err == nil {
			err = h.Err()
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
}

// Seal closes the server: it answers nothing but its state until it is unsealed. It needs the root token.
func (c *Client) Seal(ctx context.Context, root Secret) error {
	if _, err := c.Call(ctx, root, http.MethodPut, "sys/seal", nil); err != nil {
		return fmt.Errorf("seal Vault: %w", err)
	}
	return nil
}
