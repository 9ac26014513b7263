package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

func (a *app) certVerifyCommand() *cobra.Command {
	var f configFlags
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "verify --server-config FILE|FOLDER",
		Short: "Say whether agents start with your certificates, and accept each other's",
		Long: `verify reads your agents' configuration, and the certificates, keys and authorities that its tls blocks
name, and answers without starting anything: is each key that of its certificate, does each certificate
lead to an authority in the ca_file of every peer, do names and purposes suit each plane (servers among
each other by RPC and Raft, clients to servers, people over HTTPS), will Nomad start, and is anything else
wrong with the files.

Without --tls-dir the files are read at the paths that the tls blocks name, as the agent does.

It exits with 0 if every answer is pass, with 1 if one is fail, with 3 if none fails but some are not
known, as files were not at hand; and with 2 if the configuration cannot be read.`,
		Example: `  nomadlab cert verify --server-config server.hcl --client-config client.hcl
  nomadlab cert verify --server-config server.d --client-config client.d --tls-dir tls
  nomadlab cert verify --server-config server.hcl --json | jq '.answers[] | select(.result=="fail")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArguments(": name the configuration with --server-config")(cmd, args); err != nil {
				return err
			}
			if len(f.paths.Server) == 0 {
				return usagef(cmd, "name your servers' configuration with --server-config: every other agent calls a server")
			}
			return nil
		},
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			answers, err := regress.Verify(cmd.Context(), f.paths, time.Now())
			if err != nil {
				return err
			}
			c := a.console(cmd)
			if asJSON {
				err = c.out.json(struct {
					Answers []regress.Answer `json:"answers"`
				}{answers})
			} else {
				c.answers(answers, verbose)
			}
			if err != nil {
				return err
			}
			return passOn(resultCode(findingsOf(answers)), nil)
		}),
	}
	f.addPaths(cmd, "", filesHelp, filesHelp, "the paths that they name")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what was not asked as well, with the reason")
	return cmd
}

// findingsOf returns the answers' results as those of a report.
func findingsOf(answers []regress.Answer) (r finding.Report) {
	for _, a := range answers {
		r.Findings = append(r.Findings, finding.Finding{ID: a.ID, Result: a.Result})
	}
	return r
}

// answers prints the answers, and the reasons of those that are not pass.
func (c console) answers(answers []regress.Answer, verbose bool) {
	width := len(finding.Inconclusive)
	for _, a := range answers {
		if a.Result == finding.Skipped && !verbose {
			continue
		}
		word := string(a.Result)
		pad := strings.Repeat(" ", width-len(word))
		switch a.Result {
		case finding.Pass:
			word = c.out.good(word)
		case finding.Fail:
			word = c.out.bad(word)
		default:
			word = c.out.uneasy(word)
		}
		margin := strings.Repeat(" ", width+2)
		c.out.printf("%s%s  %s", word, pad, c.out.wrapped(a.Title, margin))
		if a.Reason != "" {
			c.out.printf("%s%s", margin, c.out.wrapped(a.Reason, margin))
		}
	}
	all := finding.Summarize(findingsOf(answers).Findings)
	c.out.printf("")
	c.out.printf("%s", answerSum(all.Pass, all.Fail, all.Inconclusive, all.Skipped))
}

// answerSum returns the number of answers of each result.
func answerSum(pass, fail, inconclusive, skipped int) string {
	words := []string{fmt.Sprintf("%d pass", pass)}
	for _, n := range []struct {
		count int
		name  string
	}{{fail, "fail"}, {inconclusive, "inconclusive"}, {skipped, "skipped (-v shows why)"}} {
		if n.count > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.count, n.name))
		}
	}
	return strings.Join(words, ", ")
}
