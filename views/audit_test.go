package views

import (
	"testing"

	"twite/models"
)

func TestAuditText(t *testing.T) {
	for want, e := range map[string]models.AuditEntry{
		"The command line made an account for @bob as admin.":                 {Action: models.AuditAdd, Target: "bob", Detail: "admin"},
		"@ada suspended @bob.":                                                {ActorID: 1, Actor: "ada", Action: models.AuditSuspend, Target: "bob"},
		"The command line let @bob in again.":                                 {Actor: "command line", Action: models.AuditRestore, Target: "bob"},
		"@ada changed the role of @bob: member → admin.":                      {ActorID: 1, Actor: "ada", Action: models.AuditRole, Target: "bob", Detail: "member → admin"},
		"The command line set a new password for @bob.":                       {Action: models.AuditPassword, Target: "bob"},
		"@ada made a link for a new password of @bob.":                        {ActorID: 1, Actor: "ada", Action: models.AuditResetLink, Target: "bob"},
		"@ada had a link for a new password mailed to @bob.":                  {ActorID: 1, Actor: "ada", Action: models.AuditResetMail, Target: "bob"},
		"The command line removed the second factors of @bob.":                {Action: models.AuditFactors, Target: "bob"},
		"@ada made a link that removes the second factors of @bob.":           {ActorID: 1, Actor: "ada", Action: models.AuditFactorsLink, Target: "bob"},
		"@ada had a link mailed to @bob that removes their second factors.":   {ActorID: 1, Actor: "ada", Action: models.AuditFactorsMail, Target: "bob"},
		"@ada signed @bob out everywhere.":                                    {ActorID: 1, Actor: "ada", Action: models.AuditEndSessions, Target: "bob"},
		"The command line signed everybody below out.":                        {Action: models.AuditEndAll},
		"@ada deleted @bob.":                                                  {ActorID: 1, Actor: "ada", Action: models.AuditDelete, Target: "bob"},
		`@ada changed the settings: about: "" to "x".`:                        {ActorID: 1, Actor: "ada", Action: models.AuditSettings, Detail: `about: "" to "x"`},
		"The command line restored the backup b.db and signed everybody out.": {Action: models.AuditRestored, Detail: "b.db"},
		"@ada: paint portrait of @bob (in oil).":                              {ActorID: 1, Actor: "ada", Action: "paint_portrait", Target: "bob", Detail: "in oil"},
		"The command line: sleep.":                                            {Action: "sleep"},
	} {
		if got := AuditText(e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
