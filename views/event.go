package views

import (
	"fmt"

	"twite/models"
)

// eventText says what happened to an account's security, as a sentence about "your" account.
func eventText(e models.SecurityEvent) string {
	switch e.Kind {
	case models.SignedIn:
		return "You signed in."
	case models.NewDevice:
		return "Somebody signed in from a browser or network that was not seen before."
	case models.CodeRefused:
		return "Somebody knew your password, but gave too many wrong codes after it."
	case models.PasswordChanged:
		return "Your password was changed. Every other session was signed out."
	case models.PasswordReset:
		return "Your password was set anew with a link for those who forgot theirs. Every session was signed out."
	case models.EmailChanged:
		return "Your email address was changed."
	case models.EmailRestored:
		return "Your earlier email address is back. Every session was signed out."
	case models.SessionsEnded:
		return "Other sessions of yours were signed out."
	case models.TOTPEnabled:
		return "Codes from an app are now asked for when you sign in."
	case models.TOTPDisabled:
		return "Codes from an app are no longer asked for when you sign in."
	case models.RecoveryCodesMade:
		return "New recovery codes were made. The old ones no longer work."
	case models.RecoveryCodeUsed:
		return "A recovery code was used to sign in. " + codesLeft(e.Detail)
	case models.PasskeyAdded:
		return fmt.Sprintf("The passkey “%s” was added.", e.Detail)
	case models.PasskeyRemoved:
		return fmt.Sprintf("The passkey “%s” was removed.", e.Detail)
	case models.FactorsReset:
		return "Your second factors were removed by the people who run this site."
	case models.ExportMade:
		return "A copy of everything about you is ready to be downloaded."
	case models.DeletionAsked:
		return fmt.Sprintf("Your account will be deleted on %s. If you change your mind, sign in before then: that keeps it.", e.Detail)
	case models.DeletionUndone:
		return "Your account stays: it will not be deleted."
	}
	return "Something about your account was changed."
}

// NoticeMail tells the owner of an account what happened to it, so that nobody can act behind their back.
func NoticeMail(site, username string, e models.SecurityEvent) Mail {
	lines := []string{fmt.Sprintf("This is about @%s on Twite. %s", username, eventText(e))}
	if e.IP != "" {
		lines = append(lines, fmt.Sprintf("It came from %s, at the address %s, at %s.", models.Device(e.UserAgent), e.IP, fullTime(e.CreatedAt)))
	}
	lines = append(lines, "If it was not you, set a new password at once, and look at your sessions in the settings.")
	return Mail{Subject: "Security of @" + username, Lines: lines, Link: site + "/settings/security", Site: site}
}
