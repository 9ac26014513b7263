package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/uuid"

	"nomadlab.internal/lab/spec"
)

// ManagementToken is the secret of the token that may do everything in the lab; Node.API presents it. Empty for a lab
// without ACLs, and for one whose ACL system nobody has bootstrapped for it. While Up has not returned, the lab may not
// know the token yet.
func (l *Lab) ManagementToken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == nil {
		return ""
	}
	return *l.token
}

// makeToken chooses the management token before the lab knows it, and writes it down: a start that is cut short in the
// middle of the bootstrap has not lost it.
func (l *Lab) makeToken() error {
	if !l.record.Plan.Bootstrapped() {
		return nil
	}
	random, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("make the management token: %w", err)
	}
	secret := random.String()
	if err := os.WriteFile(l.folder.ManagementTokenFile(), []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the management token: %w", err)
	}
	l.setToken(&secret)
	return nil
}

// loadToken reads what makeToken wrote. A lab need not have it.
func (l *Lab) loadToken() error {
	text, err := os.ReadFile(l.folder.ManagementTokenFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w: `nomadlab down %s` still removes the lab", spec.ErrDamaged, err, l.Name())
	}
	secret := strings.TrimSpace(string(text))
	l.setToken(&secret)
	return nil
}

// dropToken is for a lab that turns out to have no ACLs.
func (l *Lab) dropToken() error {
	l.setToken(nil)
	if err := os.Remove(l.folder.ManagementTokenFile()); err != nil {
		return fmt.Errorf("remove the management token: %w", err)
	}
	return nil
}

// setToken has every node ask with that token from now on.
func (l *Lab) setToken(secret *string) {
	l.mu.Lock()
	l.token = secret
	l.mu.Unlock()
	for _, n := range l.nodes {
		n.forgetAPI()
	}
}
