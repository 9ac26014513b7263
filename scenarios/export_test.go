package scenarios

import (
	"context"
	"net/http"
	"time"

	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// LostWrite returns the election on a cluster that has acknowledged a write and lost it.
func LostWrite() scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step {
		e := newElection()
		steps := e.steps()
		read := steps[3].Do // the first that must notice it: on a busy machine the step before it has servers come back too
		steps[3].Do = func(ctx context.Context, t *scenario.T) error {
			e.note("lost", "lost", 0)
			return read(ctx, t)
		}
		return steps
	}
	return s
}

// ElectionWithin returns the election with another bound.
func ElectionWithin(bound time.Duration) scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step { return (&election{bound: bound}).steps() }
	return s
}

// OldLeaderLeads returns the election's last step on a cluster whose old leader leads again.
func OldLeaderLeads() scenario.Scenario {
	s := electedAgain()
	s.Steps = func() []scenario.Step {
		e := newElection()
		steps := e.steps()
		last := steps[len(steps)-1]
		last.Do = func(ctx context.Context, t *scenario.T) error {
			leader, err := t.Lab.Leader(ctx, "")
			if err != nil {
				return err
			}
			e.old, e.new = leader, others(t.Lab, leader)[0]
			return e.comeBack(ctx, t)
		}
		return []scenario.Step{last}
	}
	return s
}

// RenewalEdited returns the renewal of certificates with each plan changed by edit.
func RenewalEdited(edit func(*rollout.Plan)) scenario.Scenario {
	s := leafRenewal()
	s.Steps = func() []scenario.Step { return (&renewal{edit: edit}).steps() }
	return s
}

// NewAuthorityEdited returns the change of authority with its plan changed by edit.
func NewAuthorityEdited(edit func(*rollout.Plan)) scenario.Scenario {
	s := newAuthority()
	s.Steps = func() []scenario.Step { return (&succession{edit: edit}).steps() }
	return s
}

// LeavesFirstWaiting returns the short cut with waits where it is to go without.
func LeavesFirstWaiting() scenario.Scenario {
	s := leavesFirst()
	s.Steps = func() []scenario.Step { return (&shortCut{waits: true}).steps() }
	return s
}

// ExpiredEdited returns the scenario of expired certificates up to the rollout that brings the cluster back, changed by edit.
func ExpiredEdited(edit func(*rollout.Plan)) scenario.Scenario {
	s := expired()
	s.Steps = func() []scenario.Step {
		steps := (&expiry{edit: edit}).steps()
		return steps[:len(steps)-1]
	}
	return s
}

// ReloadsRenewing returns the reloads with a new certificate where a setting alone is to change.
func ReloadsRenewing() scenario.Scenario {
	s := reloads()
	s.Steps = func() []scenario.Step { return (&reloading{renews: true}).steps() }
	return s
}

// Gone returns when the old leader was gone, if it was killed between before and after and a survivor stood for election at stood.
func Gone(before, after, stood time.Time) time.Time {
	return electionLog{stood: stood}.gone(death{before, after})
}

// SentInGap returns how many of the writes that began at these times count as sent in the gap, how many of them were refused,
// and whether they suffice.
func SentInGap(from, until time.Time, began []time.Time, errs []error) (sent, refused int, err error) {
	var all []*attempt
	for i, at := range began {
		all = append(all, &attempt{began: at, err: errs[i]})
	}
	t := inGap(all, from, until)
	return t.sent, t.refused, t.suffice()
}

// ErrUnclear and ErrNoLeaderYet are what ElectionInTime may return.
var ErrUnclear, ErrNoLeaderYet = errUnclear, errNoLeaderYet

// ElectionInTime judges an election of which the survivors, by name, have logged these lines. The old leader died between
// before and after.
func ElectionInTime(logs map[string][]string, before, after time.Time, bound time.Duration) error {
	return readElection(logs).inTime(death{before, after}, bound)
}

// LinesWith returns the lines that have both texts, each with the name before it.
func LinesWith(name string, lines []string, text, from string) []string {
	return linesWith(name, lines, text, from)
}

// UpgradeEdited returns the upgrade with its plan changed by edit.
func UpgradeEdited(edit func(*rollout.Plan)) scenario.Scenario {
	s := upgraded()
	s.Steps = func() []scenario.Step { return (&upgrade{edit: edit}).steps()[:2] }
	return s
}

// VaultRenewing returns the renewal by Vault, for that many renewals of each certificate.
func VaultRenewing(times int) scenario.Scenario { return vaultRenewing(times) }

// VaultSealed returns the first steps of the renewal by Vault, with Vault sealed once the work runs.
func VaultSealed() scenario.Scenario {
	s := vaultRenews()
	s.Steps = func() []scenario.Step {
		v := &vaultRenewal{times: 1, disturb: func(ctx context.Context, t *scenario.T) error {
			vault, err := t.Lab.Vault(ctx)
			if err != nil {
				return err
			}
			_, err = vault.Client().Call(ctx, vault.Keys().Root, http.MethodPut, "sys/seal", nil)
			return err
		}}
		return v.steps()[:2]
	}
	return s
}
