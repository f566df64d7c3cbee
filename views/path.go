package views

import (
	"net/url"
	"strconv"

	"twite/models"
)

func userPath(username string) string { return "/@" + url.PathEscape(username) }

// postPath is the address of a post, or of what can be done with it.
func postPath(post models.Post, action string) string {
	path := "/posts/" + strconv.FormatInt(post.ID, 10)
	if action != "" {
		path += "/" + action
	}
	return path
}

// postID is the id of an element of which every post has one.
func postID(part string, post models.Post) string { return part + "-" + strconv.FormatInt(post.ID, 10) }

// ResetPath is where a new password is set.
func ResetPath(token string) string { return "/password/reset/" + url.PathEscape(token) }

// FactorsPath is where second factors are removed.
func FactorsPath(token string) string { return "/login/factors/" + url.PathEscape(token) }

// InvitePath is the address of an invitation.
func InvitePath(token string) string { return "/invite/" + url.PathEscape(token) }

// SetupPath is where the owner's account is made.
func SetupPath(token string) string { return "/setup/" + url.PathEscape(token) }

func invitationPath(list string, invitation models.Invitation, action string) string {
	return list + "/" + strconv.FormatInt(invitation.ID, 10) + "/" + action
}

func requestPath(request models.Request, action string) string {
	return "/admin/requests/" + strconv.FormatInt(request.ID, 10) + "/" + action
}

func confirmEmailPath(token string) string { return "/email/confirm/" + url.PathEscape(token) }

func undoEmailPath(token string) string { return "/email/undo/" + url.PathEscape(token) }

func linkPath(token string) string { return "/login/link/" + url.PathEscape(token) }

// askAgainPath leads to the form for another sign-in link, with the way back that the form carries.
func askAgainPath(f Form) string {
	if path := carryingNext("/login/link", f); path != "/login/link" {
		return path + "&again=yes"
	}
	return "/login/link?again=yes"
}

func actorPath(actor models.Actor) string { return "/actor/" + strconv.FormatInt(actor.ID, 10) }

func sessionPath(session models.Session, action string) string {
	return "/settings/sessions/" + strconv.FormatInt(session.ID, 10) + "/" + action
}

func passkeyPath(passkey models.Passkey, action string) string {
	return passkeysPath + "/" + strconv.FormatInt(passkey.ID, 10) + "/" + action
}

// adminPath is the admin page of a member, or what can be done there.
func adminPath(id int64, action string) string {
	path := "/admin/people/" + idText(id)
	if action != "" {
		path += "/" + action
	}
	return path
}

func exportPath(export models.Export) string {
	return "/settings/export/" + strconv.FormatInt(export.ID, 10)
}

// owns says whether the one who looks wrote the post.
func (p Page) owns(post models.Post) bool { return p.Viewer != nil && p.Viewer.ID == post.UserID }
