// Package main is a gin app with swag annotations. docs/ is what swag v1.16.6 made of it:
//
//	go run github.com/swaggo/swag/cmd/swag@v1.16.6 init --parseGoList=false --outputTypes json,yaml
package main

import (
	"mime/multipart"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Account is a user of the shop.
type Account struct {
	ID      int64             `json:"id" example:"7"`
	Name    string            `json:"name" binding:"required" minLength:"1" maxLength:"40" example:"Ada"`
	Role    string            `json:"role" enums:"admin,customer" default:"customer"`
	Rating  *float64          `json:"rating" minimum:"0" maximum:"5" extensions:"x-nullable"`
	Tags    []string          `json:"tags"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels"`
	Friends []*Account        `json:"friends,omitempty"` // those who know each other
	Status  Status            `json:"status"`
}

// Status of an account.
type Status int

const (
	Active Status = iota + 1 // may buy
	Locked                   // may not
)

// Page is one page of a list.
type Page[T any] struct {
	Items []T `json:"items"`
	Next  int `json:"next"`
}

// Problem is what went wrong.
type Problem struct {
	Message string `json:"message"`
}

// list shows the accounts.
//
//	@Summary		List accounts
//	@Description	Those that match all filters.
//	@Tags			accounts
//	@Produce		json
//	@Param			role	query		[]string	false	"Roles to show"	collectionFormat(multi)	Enums(admin, customer)
//	@Param			ids		query		[]int		false	"Ids to show"
//	@Param			limit	query		int			false	"How many"	minimum(1)	maximum(100)	default(20)
//	@Param			X-Trace	header		string		false	"Trace"
//	@Success		200		{object}	Page[Account]
//	@Header			200		{string}	X-Next	"Where the next page is"
//	@Failure		default	{object}	Problem
//	@Router			/accounts [get]
func list(c *gin.Context) { c.JSON(http.StatusOK, Page[Account]{}) }

// show shows one account.
//
//	@Summary	Show an account
//	@ID			getAccount
//	@Tags		accounts
//	@Accept		json
//	@Produce	json,xml
//	@Param		id		path		int		true	"Account ID"	minimum(1)
//	@Param		group	path		string	true	"Group"			Enums(a, b)
//	@Success	200		{object}	Account
//	@Failure	404		{object}	Problem
//	@Security	ApiKeyAuth
//	@Router		/groups/{group}/accounts/{id} [get]
func show(c *gin.Context) { c.JSON(http.StatusOK, Account{}) }

// create makes an account.
//
//	@Summary	Create an account
//	@Tags		accounts
//	@Accept		json
//	@Produce	json
//	@Param		account	body		Account	true	"The account"
//	@Success	201		{object}	Account
//	@Failure	400		{object}	Problem
//	@Security	OAuth2Implicit[read, write] || BasicAuth
//	@Router		/accounts [post]
func create(c *gin.Context) { c.JSON(http.StatusCreated, Account{}) }

// upload keeps a picture.
//
//	@Summary	Upload a picture
//	@Tags		accounts
//	@Accept		mpfd
//	@Produce	json
//	@Param		id		path		int		true	"Account ID"
//	@Param		file	formData	file	true	"The picture"
//	@Param		title	formData	string	false	"Its title"	maxLength(40)
//	@Success	204		"kept"
//	@Router		/accounts/{id}/picture [put]
func upload(c *gin.Context) { c.Status(http.StatusNoContent) }

var _ multipart.File

// download gives a file.
//
//	@Summary	Download the picture
//	@Tags		accounts
//	@Produce	image/png
//	@Param		id	path		int	true	"Account ID"
//	@Success	200	{file}		file
//	@Success	304	{string}	string	"unchanged"
//	@Router		/accounts/{id}/picture [get]
//	@Deprecated
func download(c *gin.Context) { c.Status(http.StatusOK) }

//	@title			Shop
//	@version		1.2
//	@description	A shop behind gin.
//	@contact.name	Ada
//	@license.name	MIT
//	@host			localhost:8080
//	@BasePath		/api/v1
//	@schemes		http https

//	@tag.name			accounts
//	@tag.description	Who buys

//	@securityDefinitions.basic	BasicAuth

//	@securityDefinitions.apikey	ApiKeyAuth
//	@in							header
//	@name						Authorization

//	@securitydefinitions.oauth2.implicit	OAuth2Implicit
//	@authorizationUrl						https://example.com/oauth/authorize
//	@scope.read								Reads
//	@scope.write							Writes

//	@externalDocs.description	OpenAPI
//	@externalDocs.url			https://swagger.io/resources/open-api/

func main() {
	r := gin.New()
	v1 := r.Group("/api/v1")
	v1.GET("/accounts", list)
	v1.POST("/accounts", create)
	v1.GET("/groups/:group/accounts/:id", show)
	v1.PUT("/accounts/:id/picture", upload)
	v1.GET("/accounts/:id/picture", download)
	_ = r.Run("localhost:8080")
}
