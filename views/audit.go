package views

import (
	"strings"

	"twite/models"
)

// AuditText says as a sentence what an entry of the audit log holds.
func AuditText(e models.AuditEntry) string {
	who, whom := "The command line", "@"+e.Target
	if e.ActorID != 0 {
		who = "@" + e.Actor
	}
	switch e.Action {
	case models.AuditAdd:
		return who + " made an account for " + whom + " as " + e.Detail + "."
	case models.AuditSuspend:
		return who + " suspended " + whom + "."
	case models.AuditRestore:
		return who + " let " + whom + " in again."
	case models.AuditRole:
		return who + " changed the role of " + whom + ": " + e.Detail + "."
	case models.AuditPassword:
		return who + " set a new password for " + whom + "."
	case models.AuditResetLink:
		return who + " made a link for a new password of " + whom + "."
	case models.AuditResetMail:
		return who + " had a link for a new password mailed to " + whom + "."
	case models.AuditFactors:
		return who + " removed the second factors of " + whom + "."
	case models.AuditFactorsLink:
		return who + " made a link that removes the second factors of " + whom + "."
	case models.AuditFactorsMail:
		return who + " had a link mailed to " + whom + " that removes their second factors."
	case models.AuditEndSessions:
		return who + " signed " + whom + " out everywhere."
	case models.AuditEndAll:
		return who + " signed everybody below out."
	case models.AuditDelete:
		return who + " deleted " + whom + "."
	case models.AuditApprove:
		return who + " let " + whom + " join."
	case models.AuditRefuse:
		return who + " refused the request of " + whom + " to join."
	case models.AuditRevokeInvitation:
		return who + " took back an invitation of " + whom + "."
	case models.AuditSettings:
		return who + " changed the settings: " + e.Detail + "."
	case models.AuditRestored:
		return who + " restored the backup " + e.Detail + " and signed everybody out."
	}
	return otherDeed(who, e)
}

// otherDeed is the sentence for a deed of another version of Twite.
func otherDeed(who string, e models.AuditEntry) string {
	text := who + ": " + strings.ReplaceAll(e.Action, "_", " ")
	if e.Target != "" {
		text += " of @" + e.Target
	}
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text + "."
}
